# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "move disks", carried out: a VM's disks go to another pool while it runs, or while it is down.

What is done next is decided in planning/disk_move.py; what there is is seen in disk_sight.py, and steps are taken in
disk_steps.py. Runs on the node that the VM runs on, or that sees both pools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from ..cluster import disks
from ..cluster.pacemaker import Pacemaker
from ..core.lock import LOCKS, locked
from ..guest.definition import Definition
from ..hypervisor.disk_copies import DiskCopies
from ..journal import book
from ..migration import disk_notes
from ..migration.disk_switch import settle
from ..planning.disk_move import Unclear, Way, next_step, ways
from ..storage.disk_store import DiskStore
from .disk_sight import DiskSight
from .disk_steps import Course, DiskSteps

__all__ = ["DiskMoves"]

#: Seconds to wait for another run that moves the guest's disks; it may copy for long.
_OTHERS = 86_400.0
#: Steps that only finish what the cluster has been told already.
_FINISHING = ("remove", "end", "tell")


class DiskMoves:
    """The disks of one guest, brought where its ``wanted`` definition has them.

    ``asked`` permits to begin; what is only to be finished or taken back needs nobody's leave. ``say`` takes a line for
    whoever watches.
    """

    def __init__(
        self,
        cluster: Pacemaker,
        wanted: Definition,
        *,
        asked: bool,
        say: Callable[[str], None] = lambda _line: None,
        connect: Callable[[], DiskCopies] = DiskCopies,
        store: DiskStore | None = None,
        record: Callable[[dict[str, Any]], None] = book.record,
    ) -> None:
        self._cluster, self.wanted, self.asked, self.say = cluster, wanted, asked, say
        self.name = str(wanted["name"])
        self._store = store or DiskStore()
        self._sight = DiskSight(cluster, self.name, connect, self._store)
        self._steps = DiskSteps(cluster, self._sight, wanted, self._store, say=say, record=record)

    def run(self, check: bool) -> dict[str, Any]:
        """What was, or would be, done: ``changed``, and the ``plan`` as lines. Raises DroverError, OSError."""
        other = locked(LOCKS / f"disks-{self.name}", _OTHERS, what=f"the end of another run that moves {self.name}")
        if not check and disk_notes.copying(self.name):
            self.say(f"{self.name}: an earlier run may still be at its disks, which is waited for")
        with nullcontext() if check else other:
            self._sight.renew()
            if self._sight.runs and not check:
                # Of a mover that died while it held the VM, should the VM's monitor not have been there yet.
                settle(self.name, self._sight.host, lambda: self._cluster)
            todo = self._judged()
            plan = [self._planned(way) for way in todo]
            for way in () if check else todo:
                self._go(way, todo[todo.index(way) :])
            if not check:
                disk_notes.forget(self.name, copy=True)
        return {"changed": bool(todo), "plan": plan}

    def _judged(self) -> list[Way]:
        """What is to be done. Raises DroverError when any of it cannot be, before anything is."""
        self._sight.renew()
        begun = disks.record_of(self._sight.guest)
        todo: list[Way] = []
        for way in ways(self._sight.guest, self.wanted):
            # A second way of a disk comes after the end of the first, and is judged then.
            first = all(way.target != other.target for other in todo)
            step = next_step(way, self._sight.of(way)) if first else "begin"
            if not self.asked and not way.back and step not in _FINISHING:
                more = "; a move there was begun: the same carries it on, the pool as it was takes it back"
                raise Unclear(
                    f"{self.name}: its disk {way.target} is at {way.ends[0]} and goes to {way.ends[1]} only when asked"
                    f"{more if way.target in begun else ''}",
                    remedy=f"-e guests_move_disks={self.name} does it.",
                )
            if step == "begin" and first:
                self._store.require_room(self.name, way.source, way.goal)
            todo.append(way)
        return todo

    def _planned(self, way: Way) -> str:
        source, goal = way.ends
        if way.back:
            return f"{self.name}: the move of {way.target} to {goal} is taken back, it stays at {source}"
        how = "while it runs" if self._sight.runs else "while it is down"
        return f"{self.name}: {way.target} goes from {source} to {goal}, {how}"

    def _go(self, way: Way, todo: Sequence[Way]) -> None:
        """Take one step after the other, each from what is seen then."""
        course, taken = Course(), list[str]()
        while True:
            self._sight.renew()
            step = next_step(way, self._sight.of(way))
            if taken.count(step) > 1:
                raise Unclear(f"{self.name}: step {step!r} of disk {way.target} has come to nothing; run this again")
            taken.append(step)
            self._steps.does(step, way, course, todo)
            if step == "end":
                return
