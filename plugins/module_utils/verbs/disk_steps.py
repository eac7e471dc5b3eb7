# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps by which a VM's disks go to another pool, as they are carried out (see planning/disk_move.py)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..cluster import disks, guest_health
from ..cluster.cib import Configuration, read
from ..cluster.objects import Wanted
from ..cluster.pacemaker import Applied, ClusterError, Pacemaker
from ..core.command import CommandError
from ..core.node_name import node_name
from ..core.quantities import rough_size
from ..core.wait import wait_for
from ..guest.definition import Definition
from ..hypervisor.disk_copies import LiveDisk
from ..hypervisor.libvirt_connection import HostError
from ..journal import book
from ..migration import disk_notes
from ..migration.disk_switch import switch
from ..planning.disk_move import Step, Unclear, Way
from ..storage.disk_store import DiskStore, StoreError
from .disk_sight import DiskSight

__all__ = ["Course", "DiskSteps"]

_LOOK, _SAY = 1.0, 2.0
#: Seconds without any progress after which a copy is given up.
_STILL = 600.0
#: Seconds for QEMU to close a disk that it no longer uses.
_CLOSES = 30.0


@dataclass
class Course:
    """What is known of a way while it is gone: when it was begun (unix time), bytes copied, seconds the VM was held."""

    started: float = field(default_factory=time.time)
    size: int = 0
    pause: float | None = None


class DiskSteps:
    """The steps of moving one guest's disks, each carried out once. Every method raises DroverError, OSError."""

    def __init__(
        self,
        cluster: Pacemaker,
        sight: DiskSight,
        wanted: Definition,
        store: DiskStore,
        *,
        say: Callable[[str], None],
        record: Callable[[dict[str, Any]], None],
    ) -> None:
        self.cluster, self._sight, self.wanted, self._store = cluster, sight, wanted, store
        self.say, self._record = say, record
        self.name = str(wanted["name"])

    def does(self, step: Step, way: Way, course: Course, todo: Sequence[Way]) -> None:
        """Carry out one step of a way. ``todo`` are this way and those after it."""
        do: dict[Step, Callable[[], None]] = {
            "begin": lambda: self._begin(todo),
            "copy": lambda: self._copy(way, course),
            "wait": lambda: self._wait(way, course),
            "carry": lambda: self._carry(way, course),
            "clear": lambda: self._store.discard(way.ends[1]),
            "switch": lambda: self._switch(way, course),
            "tell": lambda: self._tell(way),
            "remove": lambda: self._remove(way),
            "give up": lambda: self._sight.host.forget_copy(self.name, way.target),
            "end": lambda: self._end(way, course),
        }
        do[step]()

    def _begin(self, todo: Sequence[Way]) -> None:
        """Say that the disks move, all at once. Of two ways of one disk the first comes first."""
        record: dict[str, dict[str, Any]] = {}
        for way in todo:
            if not way.back:
                record.setdefault(way.target, {"from": dict(way.source), "to": dict(way.goal)})
        known = disks.record_of(self._sight.guest)
        left = {target: ends for target, ends in record.items() if target not in known}
        self._apply(lambda live: disks.begun(live, self.name, left, down=not self._sight.runs))

    def _copy(self, way: Way, course: Course) -> None:
        self._store.require_room(self.name, way.source, way.goal)
        size = self._sight.host.disk_sizes(self.name, [way.target])[way.target]
        self._store.make(way.goal, size)
        # An agent that is to move the VM gives the copy up first.
        disk_notes.note_copy(self.name)
        bandwidth = (self.wanted.get("migration") or {}).get("bandwidth")
        try:
            self._sight.host.copy(self.name, way.target, way.goal, bandwidth)
        except HostError as error:
            self._failed(way, course, str(error))
        course.size = size
        # One that fails at once would look like one that was never begun.
        self._wait(way, course)

    def _wait(self, way: Way, course: Course) -> None:
        """Wait until QEMU's copy holds the same as the disk. One that fails is taken back at once."""
        said = moved = time.monotonic()
        before, last = 0, -1
        while True:
            disk = self._sight.disks().get(way.target, LiveDisk(None))
            if disk.copy != way.ends[1]:
                self._failed(way, course, "QEMU gave the copy up")
            if disk.ready:
                return
            done, whole = self._sight.host.copied(self.name, way.target)
            course.size, now = whole or course.size, time.monotonic()
            if done != last:
                moved, last = now, done
            if now - moved > _STILL:
                self._sight.host.forget_copy(self.name, way.target)
                self._failed(way, course, f"no more of it was copied for {_STILL:.0f} s")
            if now - said >= _SAY:
                rate = max(0, done - before) / (now - said)
                share = f"{100 * done // whole}% of {rough_size(whole)}" if whole else rough_size(done)
                self.say(f"{self.name}: {way.target}, {share} to {way.ends[1]}, {rough_size(rate)}/s")
                said, before = now, done
            time.sleep(_LOOK)

    def _carry(self, way: Way, course: Course) -> None:
        """Copy the disk of a guest that is down and is kept so, and say where it is."""
        if not self._sight.held or self._store.in_use(way.ends[0]):
            raise Unclear(
                f"{self.name}: {way.ends[0]} is in use, though the cluster has it down",
                remedy="See who has it open ('lsof' there, or 'rbd status'), and run this again.",
            )
        course.size = self._store.size(way.source)
        self.say(f"{self.name}: {way.target}, copying {rough_size(course.size)} to {way.ends[1]}")
        try:
            self._store.copy(way.source, way.goal)
        except CommandError as error:
            self._failed(way, course, str(error))
        self._tell(way)

    def _failed(self, way: Way, course: Course, why: str) -> NoReturn:
        """Take a copy back that came to nothing, and say why."""
        disk_notes.forget(self.name, copy=True)
        self._store.discard(way.ends[1])
        self._apply(lambda live: disks.given_up(live, self.name))
        reason = f"its disk {way.target} was not moved and stays at {way.ends[0]}: {why}"
        self._record(book.failure("disk", self.name, node_name(), node_name(), reason, since=course.started))
        raise StoreError(
            f"{self.name}: {reason}",
            remedy=f"See whether the pool of {way.ends[1]} is full or away (df, or 'ceph df'), and 'journalctl -u "
            f"libvirtd' on {node_name()}. Then run this again.",
        )

    def _switch(self, way: Way, course: Course) -> None:
        course.pause = switch(self.cluster, self._sight.host, self.name, way.target, way.goal, self._guard)
        self.say(f"{self.name}: {way.target} is at {way.ends[1]}, held for {course.pause * 1000:.0f} ms")

    def _tell(self, way: Way) -> None:
        self._apply(lambda live: disks.told(live, self.name, way.target, way.goal, node_name()))

    def _remove(self, way: Way) -> None:
        wait_for(
            lambda: self._store.in_use(way.ends[0]),
            lambda used: not used,
            what=f"the end of the use of {way.ends[0]}, which {self.name} has left,",
            timeout=_CLOSES,
            interval=_LOOK,
        )
        self._store.remove(way.ends[0])

    def _apply(self, plan: Callable[[Configuration], Wanted]) -> None:
        self.cluster.apply(lambda cib: plan(read(cib)), check=False, guard=self._guard)

    def _guard(self, applied: Applied[Wanted]) -> None:
        unasked = guest_health.unasked(applied.prediction, self._sight.status, may_stop=frozenset(), may_restart=False)
        if unasked:
            raise ClusterError("refused, for it would take running guests down: " + "; ".join(unasked))

    def _end(self, way: Way, course: Course) -> None:
        """Say that nothing is left to be done, and to the journal how it went."""
        self._apply(lambda live: disks.ended(live, self.name, way.target))
        if way.back or way.seed:
            return
        self._record(
            {
                "guest": self.name,
                "kind": "disk",
                "from": node_name(),
                "to": node_name(),
                "started": book.stamp(course.started),
                "ended": book.stamp(),
                "result": "moved",
                "seconds": round(time.time() - course.started, 3),
                **({} if course.pause is None else {"downtime_ms": round(course.pause * 1000, 1)}),
                **({"bytes": course.size} if course.size else {}),
                "path": [f"disk {way.target} from {way.ends[0]} to {way.ends[1]}"],
            }
        )
