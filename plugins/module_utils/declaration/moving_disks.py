# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests whose volumes are declared in other pools than the cluster knows them in: which are moved, and which not.

Only the disks of VMs are moved, and only when a person asks for it beside the declaration. What an earlier run has
begun is finished, or taken back, without that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.choice import chosen
from ..core.errors import InvalidValue
from ..guest.definition import Definition
from .known_volumes import KnownVolumes, places

__all__ = ["MovingDisks"]


@dataclass
class MovingDisks:
    """``known`` are the volumes by which the cluster knows guests, ``found`` by guest whether it runs (``on`` a node)
    and what was ``begun``, ``asked`` the guests that may be moved. ``entries`` are, by the node that is to do it, what
    module disk_moves is told."""

    known: KnownVolumes
    found: Mapping[str, Mapping[str, Any]]
    asked: Collection[str] | bool
    entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, seen: Mapping[str, Mapping[str, Any]], known: KnownVolumes, asked: Collection[str] | bool
    ) -> MovingDisks:
        """From what module local_volumes_info said on each node."""
        found: dict[str, Mapping[str, Any]] = {}
        for its in seen.values():
            found |= its.get("moves") or {}
        return cls(known, found, asked)

    def where(self, guest: str) -> str | None:
        """The node that a guest's data is moved on, as it runs there or has it; None for one that is not moved, or that
        any node can move."""
        return (self.found.get(guest) or {}).get("on")

    def judge(self, guest: str, wanted: Definition, node: str, workers: Sequence[str]) -> Iterator[str]:
        """What is wrong with the places of a guest's volumes; moves are noted, for its node or else ``node``."""
        begun = (self.found.get(guest) or {}).get("begun") or {}
        permitted = chosen(guest, self.asked)
        if begun and self.known.gives_up(guest):
            yield (
                f"guests.{guest}: a move of its disks was begun, so they are not made anew: first finish it (-e "
                f"guests_move_disks={guest}), or take it back (declare the pool as it was)"
            )
            return
        elsewhere = list(self.known.elsewhere(guest, wanted, begun=begun))
        if wanted["kind"] != "vm" or (elsewhere and not permitted):
            yield from elsewhere
            return
        if not elsewhere and not begun:
            return
        node = self.where(guest) or node
        if node not in workers:
            yield (
                f"guests.{guest}: its disks are moved from {node}, which is not among the nodes of this run: bring it "
                "back, or run this without --limit"
            )
            return
        self.entries.setdefault(node, []).append({"definition": dict(wanted), "move": permitted})

    def moves(self, guest: str) -> bool:
        """Whether anything is to be done for a guest's disks."""
        return any(entry["definition"]["name"] == guest for its in self.entries.values() for entry in its)

    def left_out(self, guest: str, wanted: Definition) -> frozenset[str]:
        """The paths of volumes that are made by moving, and not otherwise."""
        if not self.moves(guest):
            return frozenset()
        known = self.known.of_guest(guest)
        found = {path for place, path in places(wanted).items() if known.get(place, path) != path}
        seeds = {disk["source"]["path"] for disk in wanted["disks"] if disk["readonly"]}
        return frozenset(found | seeds)

    def as_it_is(self, guest: str, wanted: Definition) -> dict[str, Any]:
        """The definition with its disks where they are now, for whoever compares it before anything was moved."""
        its = self.found.get(guest, {}).get("disks") or {}
        disks = [{**disk, "source": its.get(disk["target"], disk["source"])} for disk in wanted["disks"]]
        return {**wanted, "disks": disks}


def refuse(problems: Sequence[str]) -> None:
    """Raise InvalidValue for volumes that would be left behind."""
    if problems:
        raise InvalidValue("\n- ".join([f"{len(problems)} volume(s) would be left behind:", *problems]))
