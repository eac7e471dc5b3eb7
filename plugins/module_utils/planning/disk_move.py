# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's disk on its way to another pool, as a state machine: from what is seen of it, the next step.

The volume that the guest's definition in the cluster names is the true one, from the first step to the last. A copy is
made beside it; the definition names the copy only when that holds everything; the old volume goes when the cluster and
QEMU both name the new one. So whoever carries the steps out may be killed between any two, and the next run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..cluster.disks import record_of
from ..cluster.guests import guest_of
from ..cluster.objects import Primitive
from ..core.errors import DroverError
from ..guest.definition import Definition

__all__ = ["Seen", "Step", "Unclear", "Way", "next_step", "ways"]

#: ``begin`` says in the cluster that the disk moves. ``copy`` begins QEMU's copy and ``wait`` waits for it; ``carry``
#: copies the disk of a guest that does not run, and has the cluster told. ``clear`` removes a copy that is not whole.
#: ``switch`` has the running VM and the cluster go on with the copy, ``tell`` says to the cluster what QEMU does
#: already. ``remove`` removes the old volume, ``give up`` ends QEMU's copy, ``end`` says that nothing is left to do.
Step = Literal["begin", "copy", "wait", "carry", "clear", "switch", "tell", "remove", "give up", "end"]


class Unclear(DroverError):
    """What there is of a disk comes of no move that Drover makes."""


@dataclass(frozen=True)
class Way:
    """A disk's way from one volume to another, both sources of a definition; ``back`` takes one back that was begun.

    A ``seed`` holds nothing of the guest's: Drover makes it from the YAML, and the VM reads it when it boots.
    """

    target: str
    source: Mapping[str, Any]
    goal: Mapping[str, Any]
    seed: bool = False
    back: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        return str(self.source["path"]), str(self.goal["path"])


@dataclass(frozen=True)
class Seen:
    """What there is of a disk that moves.

    ``told`` is the volume in the guest's definition, ``begun`` whether the cluster knows of the move. Of a VM that
    ``runs``, ``live`` is what QEMU has (None: no such disk), ``copy`` what it copies that to, ``ready`` that both hold
    the same. One that does not run may be ``held`` down. ``there`` are the volumes that exist.
    """

    told: str
    begun: bool
    runs: bool
    live: str | None = None
    copy: str | None = None
    ready: bool = False
    held: bool = False
    there: frozenset[str] = frozenset()


def ways(guest: Primitive, wanted: Definition) -> list[Way]:
    """What has to be done for a guest's disks to be where its wanted definition has them, in order."""
    known = {disk["target"]: disk for disk in (guest_of(guest) or {}).get("disks") or ()}
    goals = {disk["target"]: disk["source"] for disk in wanted["disks"]}
    record, found = record_of(guest), []
    for target, disk in known.items():
        here, seed = disk["source"], bool(disk.get("readonly"))
        goal = goals.get(target, here)
        if target in record:
            begun = record[target]
            on = begun["to"]["path"] in (here["path"], goal["path"])
            found.append(Way(target, begun["from"], begun["to"], seed, back=not on))
            here = begun["to"] if on else here
        if here["path"] != goal["path"]:
            found.append(Way(target, here, goal, seed))
    # What matters first.
    return sorted(found, key=lambda way: way.seed)


def next_step(way: Way, seen: Seen) -> Step:
    """The next step. Raises Unclear for what no sequence of steps leads to."""
    source, goal = way.ends
    if way.back:
        return _back(way, seen)
    if seen.told not in (source, goal):
        raise Unclear(f"the cluster has its disk {way.target} at {seen.told}, neither at {source} nor at {goal}")
    if not seen.begun or (not seen.runs and not seen.held and seen.told == source):
        if goal in seen.there and not seen.begun:
            raise Unclear(
                f"there is a volume at {goal} already, which no move has made",
                remedy="See whose it is, and remove it. To have the guest use it as it is: -e guests_recreate",
            )
        return "begin"
    if not seen.runs:
        return _ending(way, seen) if seen.told == goal else "clear" if goal in seen.there else "carry"
    if seen.live == goal:
        return _ending(way, seen) if seen.told == goal else "tell"
    if seen.live != source:
        raise Unclear(
            f"the VM has its disk {way.target} at {seen.live or 'no place'}, and the cluster at {seen.told}",
            remedy="A disk that waits to be attached or changed does so with a restart: permit that first "
            "(-e guests_allow_restart).",
        )
    if seen.told == goal:
        raise Unclear(
            f"the cluster has its disk {way.target} at {goal}, and QEMU writes to {source}",
            remedy="Nothing is removed. See which of the two has the data; a restart of the guest uses the cluster's.",
        )
    if seen.copy == goal:
        return "switch" if seen.ready else "wait"
    if seen.copy is not None:
        raise Unclear(f"its disk {way.target} is being copied to {seen.copy}, by somebody else: let that end first")
    return "clear" if goal in seen.there else "copy"


def _back(way: Way, seen: Seen) -> Step:
    source, goal = way.ends
    if seen.told != source or (seen.runs and seen.live == goal):
        raise Unclear(
            f"its disk {way.target} is at {goal} already and cannot be taken back",
            remedy="Finish the move (-e guests_move_disks), and move the disk back then.",
        )
    if seen.copy == goal:
        return "give up"
    return "clear" if goal in seen.there else "end"


def _ending(way: Way, seen: Seen) -> Step:
    return "remove" if way.ends[0] in seen.there else "end"
