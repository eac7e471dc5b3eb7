# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's live migration, carried out from its source: libvirt moves it, and these see to the rest.

states.py has the states that it goes through; watching.py looks at it and gives the controller's orders; settling.py
settles where the VM goes on; disk_hand_over.py takes its disks along, packets.py what is sent to it; record.py keeps
the account and tells those who watch.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from ..guest.migration_policy import Policy
from ..hypervisor.libvirt_connection import HostError, LibvirtUnreachable
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.vm_state import Seen
from . import failed_post_copy
from . import progress as moves
from .admission import NotAdmitted, admit_at
from .disk_hand_over import DiskHandOver, DisksStay
from .packets import Packets
from .record import Report, cause
from .settling import Switchover
from .states import PHASES, Machine, Phase, Step
from .switchover import gone, kill
from .watching import UnderWay, Watch

__all__ = ["LiveMigration"]

#: Seconds between two looks.
_TICK = 0.1
#: Seconds until a post-copy that lost its connection is taken up again.
_AGAIN = 1.0
#: In QEMU's words, of either end: it may not fetch pages on demand (vm.unprivileged_userfaultfd).
_NO_POST_COPY = re.compile(r"post-?copy is not supported", re.IGNORECASE)


class LiveMigration:
    """One migration. ``run()`` returns when the VM runs at the target, and raises MigrationFailed otherwise.

    ``giving_way`` is asked while it is copied, and says why it is to be given up; empty as long as it is not.

    ``record`` is what is known of it at the source, filled as it goes on. Of one that failed progress.py knows until
    who puts that on record says that it is done.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        source: str,
        target: str,
        host: LibvirtHost,
        *,
        giving_way: Callable[[], str] = lambda: "",
        tick: float = _TICK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._tick, self._clock = host, tick, clock
        self._definition = definition
        self.name, self._source, self.target = str(definition["name"]), source, target
        memory = int(definition.get("max_memory") or definition["memory"])
        self._phase: Machine[Phase, Step] = Machine(Phase.SETUP, PHASES)
        self._report = Report(definition, source, target, memory, clock)
        self._watch = Watch(
            self.name, target, Policy.of(definition), memory, self._phase, self._report, giving_way, tick, clock
        )
        self._switchover = Switchover(self.name, target, self._watch.say, tick, clock)
        self._disks = DiskHandOver(definition, source, target, self._watch.say)
        self._packets = Packets(definition, target, self._watch.say)

    @property
    def record(self) -> dict[str, Any]:
        return self._report.record

    def run(self, seconds: float) -> None:
        """Move the VM within ``seconds``."""
        try:
            self._move(seconds)
        except HostError as error:  # before anything had begun
            self._fail(self._cause(error))

    def _move(self, seconds: float) -> None:
        begun = self._clock()
        self._report.tell("setup", 0)
        self._forget_post_copy(seconds)
        self._prepare_target()
        self._packets.listen()
        try:
            self._phase.on(Step.BEGUN)
            self._host.watch(self.name, self._stopped, self._resumed)
            # Before the start: QEMU decides about the pause with the limit it has in the moment the last pass ends.
            self._host.set_max_downtime(self.name, self._watch.limit)
            self._watch.take_its_share(disks=self._disks.taken_along)
            moving = UnderWay(self._migrate)
            why = self._watch.accompany(moving, self._host, self._switchover, begun, seconds)
            moving = self._see_through(moving, begun, seconds)
            if moving.error is not None and not isinstance(moving.error, HostError):
                raise moving.error
            self._watch.note(self._clock() - begun)
            if moving.error is not None and not self._is_there_all_the_same(moving.error, begun + seconds):
                why = why or self._reason(moving.error)
                self._report.tell_failed()  # others may wait for it
                with suppress(HostError):  # the next migration tries it again
                    self._forget_post_copy(seconds - (self._clock() - begun))
                self._fail(why)
        finally:
            self._switchover.conclude()
            self._packets.end(self.record, moved=self._moved)
            self._disks.settle(moved=self._moved, doubtful=self._switchover.doubtful)
            if self._moved:
                moves.done(self.name)

    def _migrate(self, again: bool = False) -> None:
        """Have libvirt move the VM, in a thread that is watched."""
        try:
            self._begin(again)
        except HostError as error:
            if again or not self._watch.policy.post_copy or not _NO_POST_COPY.search(str(error)):
                raise
            # It may have been needed in the end. A node that is being emptied cannot wait for that.
            self._watch.begin_without_post_copy(f"without post-copy, which {self.target} does not let it ({error})")
            self._begin(again)

    def _begin(self, again: bool) -> None:
        policy = self._watch.policy
        self._host.migrate(
            self.name,
            self.target,
            bandwidth=self._watch.bandwidth,
            auto_converge=policy.auto_converge,
            post_copy=policy.post_copy,
            channels=self._watch.channels,
            disks=() if again else self._disks.targets,
            again=again,
        )
        self._arrived()

    def _see_through(self, moving: UnderWay, begun: float, seconds: float) -> UnderWay:
        """Take a post-copy up again that lost its connection: each node has a part of the VM's memory."""
        while self._post_copy and isinstance(moving.error, HostError) and not self._switchover.settled:
            left = seconds - (self._clock() - begun)
            seen = self._look_again(moving.error)
            if left <= 0 or (seen is not None and not seen.in_halves):
                break
            if seen is not None and gone(self.name, self.target, left):
                # Half a memory is of no use to anybody. The cluster starts the VM anew.
                kill(self.name)
                self._watch.note(self._clock() - begun)
                self._fail(f"{self.target} lost it before all of its memory was there, so it has to start anew")
            time.sleep(_AGAIN)
            if seen is not None:
                word = f"taken up again ({moving.error})"
                if word not in self._watch.path:
                    self._watch.say(word)
                moving = UnderWay(lambda: self._migrate(again=True))
                self._watch.accompany(moving, self._host, self._switchover, begun, seconds)
        return moving

    def _in_halves(self, error: HostError) -> bool:
        seen = self._look_again(error)
        return seen is None or seen.in_halves

    def _look_again(self, error: HostError) -> Seen | None:
        """The VM as it is here after a post-copy broke off; None while libvirt does not answer."""
        with suppress(HostError):
            if isinstance(error, LibvirtUnreachable):
                self._host = LibvirtHost()
            return self._host.seen(self.name)
        return None

    def _is_there_all_the_same(self, error: HostError, until: float) -> bool:
        """Whether the VM runs at the target although libvirt could not see to the end of it."""
        lost_sight = isinstance(error, LibvirtUnreachable)
        if not self._switchover.left:
            time.sleep(self._tick)  # that it stopped is told by another thread, and may not have been heard yet
        if not (self._switchover.left or lost_sight) or (self._post_copy and self._in_halves(error)):
            return False
        settled = self._switchover.settled
        if lost_sight and not settled:
            self._switchover.await_daemon(until)
        there = self._switchover.settle()
        if there:
            self._watch.say(f"it arrived, though libvirt could not see to the end of it ({error})")
            self._arrived()
        elif not settled:
            self._switchover.go_on_here()
        return there

    def _forget_post_copy(self, seconds: float) -> None:
        failed_post_copy.forget(self._host, self.name, self._source, seconds, self._clock)

    def _stopped(self) -> None:
        """libvirt tells, from a thread of its own, that the VM stopped here. Its place comes first, others read it."""
        self._switchover.stopped()
        self._packets.stopped()
        self._disks.stopped()

    def _resumed(self) -> None:
        """libvirt tells, from that thread, that it goes on here. Where it may not, it does not any more after this."""
        if self._switchover.resumed():
            self._packets.resumed()

    def _prepare_target(self) -> None:
        try:
            admit_at(self.target, self._definition, self._watch.say)
            self._disks.take_along(self._host)
        except (NotAdmitted, DisksStay) as error:
            self._fail(str(error))
        if self._disks.taken_along:
            self._watch.path.insert(0, "disks")

    @property
    def _post_copy(self) -> bool:
        return self._phase.state is Phase.POST_COPY

    @property
    def _moved(self) -> bool:
        return self._phase.state is Phase.MOVED

    def _arrived(self) -> None:
        self._phase.on(Step.ARRIVED)
        self._report.moved()

    def _fail(self, reason: str) -> NoReturn:
        self._phase.on(Step.FAILED)
        self._report.fail(reason)

    def _reason(self, error: HostError) -> str:
        why = self._cause(error)
        if not self._post_copy:
            return why
        if self._in_halves(error):
            return f"its post-copy to {self.target} was not to be taken up again in time: {why}"
        return f"its post-copy to {self.target} broke off before it had begun there: {why}"

    def _cause(self, error: HostError) -> str:
        return cause(error, self._source, self.target)
