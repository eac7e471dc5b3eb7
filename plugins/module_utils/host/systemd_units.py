# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the declared and the present state of systemd units to the systemctl calls that are due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["PROPERTIES", "Group", "Unit", "outdated", "parse_show", "plan"]

#: What ``systemctl show`` has to be asked for.
PROPERTIES = (
    "Id,Names,LoadState,ActiveState,UnitFileState,Triggers,"
    "NeedDaemonReload,InactiveExitTimestampMonotonic,ExecMainStartTimestampMonotonic"
)


@dataclass(frozen=True)
class Unit:
    """A unit as ``systemctl show`` tells it.

    ``began`` is when it began to start, in seconds on the machine's monotonic clock; ``unread`` whether its files were
    changed since systemd read them.
    """

    load: str = "not-found"
    active: str = "inactive"
    file: str = ""
    triggers: tuple[str, ...] = ()
    began: float = 0.0
    unread: bool = False

    @property
    def up(self) -> bool:
        return self.active in ("active", "activating", "reloading")

    @property
    def enabled(self) -> bool:
        # static and indirect units have nothing to enable; generated ones are somebody else's.
        return self.file in ("enabled", "enabled-runtime", "static", "indirect", "alias", "generated")

    @property
    def starts_by_itself(self) -> bool:
        """Whether something is there that disabling takes away."""
        return self.file in ("enabled", "enabled-runtime")

    @property
    def masked(self) -> bool:
        return self.load == "masked" or self.file.startswith("masked")


def parse_show(names: Sequence[str], text: str) -> dict[str, Unit]:
    """Read what ``systemctl show`` tells of the units asked for: a paragraph each, in order."""
    units = {}
    for name, paragraph in zip(names, text.split("\n\n"), strict=False):
        values = dict(line.partition("=")[::2] for line in paragraph.splitlines())
        load, active, file, triggers = (
            values.get(key, "") for key in ("LoadState", "ActiveState", "UnitFileState", "Triggers")
        )
        moments = ("InactiveExitTimestampMonotonic", "ExecMainStartTimestampMonotonic")
        began = max(int(values.get(key) or 0) for key in moments) / 1e6
        unread = values.get("NeedDaemonReload") == "yes"
        units[name] = Unit(load, active, file, tuple(triggers.split()), began, unread)
    return units


@dataclass(frozen=True)
class Group:
    """Units that are restarted together, and the paths that they read when they start."""

    units: Sequence[str]
    paths: Sequence[str]


def outdated(groups: Sequence[Group], units: Mapping[str, Unit], changed: Callable[[str], float]) -> list[str]:
    """The units of the groups of which one runs since before the last change of a path.

    ``changed`` tells when a path changed last, on the same clock as the units' beginnings. A unit that does not run
    reads everything when it starts.
    """
    found: list[str] = []
    for group in groups:
        running = [units[name].began for name in group.units if name in units and units[name].up]
        if running and min(running) < max(map(changed, group.paths), default=float("-inf")):
            found += group.units
    return found


def plan(wanted: Mapping[str, Sequence[str]], units: Mapping[str, Unit]) -> list[list[str]]:
    """The systemctl calls, fewest possible, that make ``wanted`` true.

    ``wanted`` has the lists running, enabled, disabled, stopped and masked. A unit that is not there (its package is
    still to be installed, in check mode) counts as needing everything; to stop it needs nothing.
    """

    def unit(name: str) -> Unit:
        return units.get(name, Unit())

    # A socket cannot be added to a service that runs.
    sockets = [name for name in wanted["running"] if name.endswith(".socket") and not unit(name).up]
    interrupted = {service for name in sockets for service in unit(name).triggers}
    steps = {
        "mask": [name for name in wanted["masked"] if not unit(name).masked],
        "unmask": [name for name in (*wanted["running"], *wanted["enabled"]) if unit(name).masked],
        "disable": [name for name in (*wanted["stopped"], *wanted["disabled"]) if unit(name).starts_by_itself],
        "stop": [*(name for name in (*wanted["stopped"], *wanted["masked"]) if unit(name).up), *sorted(interrupted)],
        # What has ended by itself, badly, is not to be found wanting for ever.
        "reset-failed": [name for name in wanted["stopped"] if unit(name).active == "failed"],
        "enable": [name for name in (*wanted["running"], *wanted["enabled"]) if not unit(name).enabled],
        "start": [name for name in wanted["running"] if not unit(name).up or name in interrupted],
    }
    return [[verb, *names] for verb, names in steps.items() if names]
