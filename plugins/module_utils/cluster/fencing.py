# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing devices as Pacemaker's resources: what cuts a node's power, and where it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .cib import Configuration
from .objects import PREFIX, Constraint, Location, Operation, Primitive

__all__ = ["FenceDevice", "device_id", "fencing"]


@dataclass(frozen=True)
class FenceDevice:
    """A device that cuts one node's power; ``options`` are further parameters of its agent."""

    node: str
    address: str
    username: str = ""
    password: str = ""
    port: int = 623
    agent: str = "fence_ipmilan"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """What the fence agent itself is told. Some know users by a key rather than a password, or no users."""
        login = {"username": self.username, "password": self.password}
        return {
            "ip": self.address,
            "ipport": str(self.port),
            **{name: value for name, value in login.items() if value},
            "lanplus": "1",
            # Off, seen to be off, on: a power cycle that nobody verified is no fencing.
            "method": "onoff",
            **self.options,
        }


def device_id(node: str) -> str:
    """The resource that cuts a node's power."""
    return f"{PREFIX}fence-{node}"


def fencing(
    devices: Sequence[FenceDevice] | None, live: Configuration, kept: Collection[str] = ()
) -> tuple[list[Primitive], list[Constraint], set[str]]:
    """The devices as resources, their places, and the ids of those of ours that are not wanted any more.

    Without a list (None) nothing is wanted and nothing is to go. The devices of the nodes ``kept`` stay as they are.
    A device never runs on the node that it cuts: a node can't be trusted to kill itself.
    """
    primitives: list[Primitive] = []
    places: list[Constraint] = []
    for device in devices or ():
        name = device_id(device.node)
        params = {
            **device.parameters,
            "pcmk_host_list": device.node,
            "pcmk_host_check": "static-list",
        }
        primitives.append(
            Primitive(
                id=name,
                cls="stonith",
                provider=None,
                type=device.agent,
                params=params,
                operations=(
                    Operation("start", timeout="60s"),
                    Operation("monitor", interval="60s", timeout="30s"),
                ),
            )
        )
        places.append(Location(f"{name}-elsewhere", name, device.node, "-INFINITY"))
    wanted = {primitive.id for primitive in primitives} | {device_id(node) for node in kept}
    gone = {name for name in live.primitives if name.startswith(device_id(""))} - wanted
    return primitives, places, set() if devices is None else gone
