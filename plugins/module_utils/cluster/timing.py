# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The timing of a cluster: after what silence a node counts as lost, and what follows from that.

A profile has the values that go together; a site may change single ones. Whether they still go together is judged by
timing_rules.py. Names, units and defaults are those of corosync.conf(5), milliseconds, unless another is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidValue

__all__ = ["LEAST_DEVICE", "LEAST_PING", "PROFILES", "Profile", "Timing", "timing"]

#: knet looks at its links so often; what is shorter has no effect or is refused.
LEAST_PING = 200

#: The least that a quorum device takes for its timeout, 0.8 of which is between two heartbeats: a second. And the least
#: for which survivors wait for its vote.
LEAST_DEVICE = 1250
_LEAST_DEVICE_SYNC = 5000


@dataclass(frozen=True)
class Profile:
    """Values that go together in clusters of any size. ``monitor_interval`` is that of guests, in seconds."""

    token: int
    token_coefficient: int
    monitor_interval: int


PROFILES: Mapping[str, Profile] = {
    # A network that pauses for a second, as switches do that learn a new way, costs no node its power.
    "safe": Profile(token=1000, token_coefficient=125, monitor_interval=10),
    # For a network of the cluster's own. The least by which a second link still takes over before the token is lost.
    "fast": Profile(token=550, token_coefficient=75, monitor_interval=5),
}


@dataclass(frozen=True)
class Timing:
    """The timing of a cluster of so many ``nodes`` with so many ``links`` each.

    ``qdevice_timeout`` and ``qdevice_sync_timeout`` are those of a quorum device, should the cluster have one
    (corosync-qdevice(8), ``timeout`` and ``sync_timeout``).
    """

    token: int
    token_coefficient: int
    consensus: int
    knet_ping_interval: int
    knet_ping_timeout: int
    monitor_interval: int
    nodes: int
    links: int
    qdevice_timeout: int = LEAST_DEVICE
    qdevice_sync_timeout: int = _LEAST_DEVICE_SYNC

    @property
    def real_token(self) -> int:
        """The token timeout that corosync goes by: each node beyond two adds to it."""
        return self.token + max(0, self.nodes - 2) * self.token_coefficient

    @property
    def retransmit(self) -> int:
        """After which silence a token is sent again, by corosync's default."""
        return int(self.real_token / 4.2)

    @property
    def loss(self) -> int:
        """From a node's last sign to the members without it: the token is lost, and the lost one asked in vain."""
        return self.real_token + self.consensus

    @property
    def device_loss(self) -> int:
        """From a node's last sign to the quorum device that knows so, which gives nobody its vote before.

        A heartbeat comes after 0.8 of the timeout, and the device hangs up when none has come for 1.5 times as long.
        """
        return self.qdevice_timeout * 12 // 10


def timing(profile: str, own: Mapping[str, Any], *, nodes: int, links: int = 1) -> Timing:
    """A profile with the values that a site has of its ``own``; those that are None follow from the profile.

    Raises InvalidValue for a profile or a value that is none.
    """
    if profile not in PROFILES:
        raise InvalidValue(f"cluster_timing is {profile!r}: take {' or '.join(PROFILES)}")
    base = PROFILES[profile]
    given = {name: _number(name, value) for name, value in own.items() if value is not None and value != ""}
    token, coefficient = (
        given.get("token", base.token),
        given.get("token_coefficient", base.token_coefficient),
    )
    real = token + max(0, nodes - 2) * coefficient
    # As corosync has it, but never so often that a single ping that is lost takes the link down.
    interval = given.get("knet_ping_interval", max(LEAST_PING, real // 4))
    consensus = given.get("consensus", real * 12 // 10)
    # So that it notices a node's loss when the members do, and no survivor has to wait for its vote.
    device = given.get("qdevice_timeout", max(LEAST_DEVICE, (real + consensus) * 10 // 12))
    return Timing(
        token=token,
        token_coefficient=coefficient,
        consensus=consensus,
        knet_ping_interval=interval,
        knet_ping_timeout=given.get("knet_ping_timeout", max(2 * interval, real // 2)),
        monitor_interval=given.get("monitor_interval", base.monitor_interval),
        nodes=nodes,
        links=links,
        qdevice_timeout=device,
        qdevice_sync_timeout=given.get("qdevice_sync_timeout", max(_LEAST_DEVICE_SYNC, 3 * device)),
    )


def _number(name: str, value: Any) -> int:
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = -1
    if found < 0 or isinstance(value, bool):
        raise InvalidValue(f"cluster_{name} is {value!r}: take a whole number, not negative")
    return found
