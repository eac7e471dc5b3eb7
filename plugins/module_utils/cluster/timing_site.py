# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is judged of a cluster's timing (timing_rules.py), and a problem that is found there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.errors import InvalidValue
from .timing import Timing

__all__ = ["AGENT", "Device", "Problem", "Site", "seconds"]

#: Cluster options that are judged, with Pacemaker's or Drover's own defaults.
_DEFAULTS = {
    "stonith-timeout": "60s",
    "stonith-watchdog-timeout": "0",
    "cluster-delay": "60s",
    "cluster-recheck-interval": "5min",
}
#: Seconds that fence agents have for parts of their work, by default (fence_ipmilan, fence_redfish).
AGENT = {"power_wait": 2, "power_timeout": 20, "login_timeout": 5, "shell_timeout": 3}

_DURATION = re.compile(r"(?P<number>\d+)\s*(?P<unit>[a-z]*)")
_UNITS = {"": 1.0, "s": 1, "sec": 1, "ms": 0.001, "msec": 0.001, "m": 60, "min": 60, "h": 3600, "hr": 3600}


@dataclass(frozen=True)
class Device:
    """A fencing device of a node, as far as time goes: the ``options`` that its agent is given."""

    node: str
    options: Mapping[str, str] = field(default_factory=dict)

    def seconds(self, option: str, default: float = 0.0) -> float:
        value = self.options.get(option)
        return default if value is None else seconds(f"fencing_bmc of {self.node}, {option}", value)

    @property
    def duration(self) -> float:
        """Seconds that switching off may take, from asking the power controller to its word that the power is off."""
        return sum(self.seconds(option, default) for option, default in AGENT.items())


@dataclass(frozen=True)
class Site:
    """All that is judged. ``watchdog`` are the seconds of a hardware watchdog that fences (SBD), ``failure_timeout``
    those after which a guest's failures are forgotten; ``arbiter`` says that a quorum device decides between two."""

    timing: Timing
    properties: Mapping[str, str] = field(default_factory=dict)
    devices: Sequence[Device] = ()
    watchdog: float | None = None
    failure_timeout: float = 600.0
    arbiter: bool = False

    def option(self, name: str) -> float:
        return seconds(f"cluster_properties.{name}", self.properties.get(name) or _DEFAULTS[name])


@dataclass(frozen=True)
class Problem:
    """An inequality that does not hold. Each of ``cures`` alone would do: a variable and its value."""

    code: str
    inequality: str
    found: str
    why: str
    cures: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        would = " or ".join(f"{name}: {value}" for name, value in self.cures)
        return f"{self.inequality} does not hold ({self.found}): {self.why}. What would do: {would}"


def seconds(name: str, value: object) -> float:
    """A duration as Pacemaker reads it: 10s, 5min, or seconds. Raises InvalidValue."""
    match = _DURATION.fullmatch(str(value).strip())
    if match is None or match["unit"] not in _UNITS:
        raise InvalidValue(f"{name} is {value!r}: take a duration such as 30s or 5min")
    return int(match["number"]) * _UNITS[match["unit"]]
