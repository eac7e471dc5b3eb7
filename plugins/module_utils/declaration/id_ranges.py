# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A range of user and group ids for each unprivileged container, of its own: whoever gets out of one is nobody to the
files of the others.

All ranges lie side by side in one area, which every node lends to containers (``/etc/subuid``). A range is chosen once
and kept in the container's definition. The first one is the range that all containers shared before; those that exist
keep it until somebody permits their restart.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core.choice import chosen
from ..core.errors import InvalidValue
from ..guest.definition import IDMAP

__all__ = ["Area", "Choice", "choose", "id_range"]

IdMap = Mapping[str, int]
_SIZE = IDMAP["count"]


@dataclass(frozen=True)
class Area:
    """The ids that containers may have, as the nodes know them."""

    start: int = IDMAP["start"]
    count: int = 4096 * _SIZE

    @classmethod
    def read(cls, declared: Mapping[str, int] | None) -> Area:
        """From role lxc's ``lxc_id_area``. Raises InvalidValue."""
        area = cls(**{key: int(value) for key, value in (declared or {}).items()})
        first = IDMAP["start"]
        if area.start < first or (area.start - first) % _SIZE or area.count % _SIZE or area.count < 2 * _SIZE:
            raise InvalidValue(
                f"lxc_id_area: start has to be {first} or a multiple of {_SIZE} above it, and count a multiple of "
                f"{_SIZE}, two of them at least"
            )
        if area.start + area.count > 1 << 31:
            raise InvalidValue("lxc_id_area: it ends above 2147483648, where not every file system knows ids")
        return area

    def slots(self) -> list[int]:
        """The starts of all ranges that may be chosen: all but the one that containers used to share."""
        return [start for start in range(self.start, self.start + self.count, _SIZE) if start != IDMAP["start"]]


@dataclass(frozen=True)
class Choice:
    """The range of each container, and which of them share theirs with others."""

    ranges: Mapping[str, dict[str, int]]
    sharing: Mapping[str, Sequence[str]]

    def worth_knowing(self) -> list[str]:
        """A line about those that share."""
        if not self.sharing:
            return []
        names = sorted(self.sharing)
        return [
            f"{', '.join(names)}: users and groups in them are the same on the nodes as in other containers, so that "
            "whoever gets out of one owns the files of the others. A restart gives each a range of its own: "
            f"ansible-playbook playbooks/guests.yml -e guests_allow_restart={','.join(names)}"
        ]


def choose(
    wanted: Iterable[str],
    known: Mapping[str, IdMap],
    area: Area,
    permitted: Collection[str] | bool,
    lent: Mapping[str, Sequence[Sequence[int]]],
) -> Choice:
    """A range for each of the containers that are ``wanted``.

    ``known`` has the ranges of all that the cluster knows, ``permitted`` names those that may be restarted (True: all).
    ``lent`` are by node the starts and sizes of what it lends. Raises InvalidValue.
    """
    ranges: dict[str, dict[str, int]] = {}
    sharing: dict[str, Sequence[str]] = {}
    new: list[str] = []
    for name in sorted(wanted):
        mine = known.get(name)
        others = [other for other, its in known.items() if other != name and mine and _overlap(mine, its)]
        may = chosen(name, permitted)
        if mine is None or (others and may):
            new.append(name)
        else:
            ranges[name] = dict(mine)
            if others:
                sharing[name] = sorted(others)
    taken = list(known.values())
    slots = area.slots() if new else []
    for name in new:
        # The same name gets the same range again, where it can: its files may still be there.
        first = zlib.crc32(name.encode()) % len(slots)
        for start in (*slots[first:], *slots[:first]):
            free = {"start": start, "count": _SIZE}
            if not any(_overlap(free, other) for other in taken):
                break
        else:
            raise InvalidValue(f"guests.{name}: no ids are left for it in lxc_id_area: give that a larger count")
        for node, its in lent.items():
            if not any(begin <= start and start + _SIZE <= begin + size for begin, size in its):
                raise InvalidValue(
                    f"guests.{name}: {node} does not lend ids {start} to {start + _SIZE - 1} to containers: run "
                    "playbooks/site.yml for it"
                )
        taken.append(free)
        ranges[name] = free
    return Choice(ranges, sharing)


def id_range(user: str, area: Mapping[str, int] | None = None) -> str:
    """The ids that containers may take, as a line of /etc/subuid that lends them to a user. Raises InvalidValue."""
    whole = Area.read(area)
    return f"{user}:{whole.start}:{whole.count}"


def _overlap(one: IdMap, other: IdMap) -> bool:
    return one["start"] < other["start"] + other["count"] and other["start"] < one["start"] + one["count"]
