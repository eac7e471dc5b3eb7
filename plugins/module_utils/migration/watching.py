# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A live migration, watched while libvirt carries it out: a look makes a sample, the controller (convergence.py) makes
an order of it, and libvirt gets that. Its share of the wire is seen to, and those who watch are told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ..guest.migration_policy import Policy
from ..hypervisor.libvirt_connection import HostError
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.libvirt_migration import Progress
from ..hypervisor.link import speed
from . import progress as moves
from .bandwidth import channels, share
from .convergence import Abort, Controller, Limit, Order, PostCopy, Sample
from .record import Report
from .settling import Switchover
from .states import Machine, Phase, Step

__all__ = ["UnderWay", "Watch", "percent"]

#: Seconds that the target's daemon may be silent, until its connection counts as lost.
_SILENT_FOR = 10.0
#: Seconds between two asks whether it is, from then on.
_ASK = 1.0


class UnderWay:
    """Something under way in a thread of its own, so that somebody can watch it."""

    def __init__(self, do: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(do,), daemon=True)
        self._thread.start()

    def _run(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # raised again in the thread that waits
            self.error = error

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, at most ``seconds`` from now."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


class Watch:
    """Looks, decides and acts for one migration, in the thread of whoever calls :meth:`accompany`.

    ``memory`` is the VM's in bytes, ``policy`` the one in force, ``bandwidth`` in bytes a second (None for any) and
    ``channels`` what it begins with. ``giving_way`` is LiveMigration's.
    """

    def __init__(
        self,
        name: str,
        target: str,
        policy: Policy,
        memory: int,
        phase: Machine[Phase, Step],
        report: Report,
        giving_way: Callable[[], str],
        tick: float,
        clock: Callable[[], float],
    ) -> None:
        self._name, self._target, self.policy, self._memory = name, target, policy, memory
        self._phase, self._report, self._tick, self._clock = phase, report, tick, clock
        self._giving_way = giving_way
        self._controller = Controller(policy, memory)
        self._wire = speed(target)
        self.bandwidth: int | None = None
        self.channels = 1
        self._memory_since: float | None = None
        self._last: Progress | None = None
        #: What libvirt has not taken yet.
        self._order: Order | None = None

    @property
    def path(self) -> list[str]:
        """What it came to, in words: the controller's own list."""
        return self._controller.path

    @property
    def limit(self) -> int:
        """The downtime limit in force, in milliseconds."""
        return self._controller.limit

    def say(self, word: str) -> None:
        self._controller.path.append(word)

    def note(self, seconds: float) -> None:
        """Put on record what has been seen so far, ``seconds`` after it began."""
        sent = self._last.sent if self._last else 0
        self._report.note(seconds, self._controller.rounds, sent, self._controller.path)

    def begin_without_post_copy(self, word: str) -> None:
        """Decide anew, for a target that does not let the VM's memory be fetched."""
        self.policy = replace(self.policy, post_copy=False)
        path = [*self._controller.path, word]
        self._controller, self._memory_since = Controller(self.policy, self._memory), None
        self._controller.path = path

    def take_its_share(self, *, disks: bool) -> None:
        """Of a wire that is worth several channels it takes what TCP leaves it: these must have no limit.

        Disks, which may take hours, do have one, and so does the memory that comes with them.
        """
        self.bandwidth = self._share()
        self.channels = 1 if disks else channels(self.policy.channels, self.bandwidth)
        if self.channels > 1:
            self.bandwidth = None

    def accompany(
        self, moving: UnderWay, host: LibvirtHost, switchover: Switchover, begun: float, seconds: float
    ) -> str:
        """Watch the migration to its end, and do what the controller says. Returns why it was called off, if it was."""
        why = ""
        next_ask = self._clock() + _SILENT_FOR
        while not moving.wait(self._tick):
            if self._clock() >= next_ask:
                next_ask += _ASK
                why = self._hang_up(host) or why
            with suppress(HostError):  # it can end between any two of these lines
                progress = host.progress(self._name)
                if progress is None or why or (switchover.stands_still and not self._post_copy):
                    continue
                sample = self._look(progress)
                self._tell(progress, sample)
                if self._clock() - begun > seconds:
                    host.abort(self._name)
                    why = f"Pacemaker's time for it was at an end after {seconds:.0f} s"
                    continue
                if not self._post_copy and (reason := self._giving_way()):
                    host.abort(self._name)
                    self._report.gave_way()
                    why = reason
                    continue
                # Before the first pass over memory it is disks that are copied.
                order = self._controller.decide(sample) if progress.passes else None
                # One that libvirt does not take just now is given again at the next look, unless there is a newer one.
                if order is not None:
                    self._order = order
                if self._order is not None:
                    why = self._carry_out(self._order, host) or why
                    self._order = None
                self._share_again(host)
        return why

    @property
    def _post_copy(self) -> bool:
        return self._phase.state is Phase.POST_COPY

    def _look(self, progress: Progress) -> Sample:
        self._last = progress
        if progress.passes and self._memory_since is None:
            self._memory_since = self._clock()
        return Sample(
            at=self._clock() - (self._memory_since or self._clock()),
            passes=progress.passes,
            sent=progress.memory_sent,
            remaining=progress.remaining,
            rate=progress.rate,
            dirty_rate=progress.dirty_rate,
            throttle=progress.throttle,
        )

    def _tell(self, progress: Progress, sample: Sample) -> None:
        phase = "copying disks" if progress.disks_remaining else "copying"
        if self._post_copy:
            phase = "post-copy"
        self._report.tell(phase, percent(progress), sample, self._controller.expected_pause(sample))

    def _carry_out(self, order: Order, host: LibvirtHost) -> str:
        """Have libvirt do it. Returns why, if that is the end."""
        if isinstance(order, Limit):
            host.set_max_downtime(self._name, order.milliseconds)
        elif isinstance(order, PostCopy):
            self._phase.on(Step.ORDERED)
            self._report.tell_at_once()
            host.start_post_copy(self._name)
        elif isinstance(order, Abort):
            host.abort(self._name)
            return order.reason
        return ""

    def _hang_up(self, host: LibvirtHost) -> str:
        """End a migration that waits for a daemon which no longer says anything. Returns why, if it did."""
        with suppress(HostError):  # Pacemaker's time for it comes to an end too
            if host.hang_up(self._target, _SILENT_FOR):
                return f"libvirt's daemon on {self._target} said nothing for {_SILENT_FOR:.0f} s"
        return ""

    def _share(self) -> int | None:
        return share(self._wire, self.policy.bandwidth, len(moves.read_all()))

    def _share_again(self, host: LibvirtHost) -> None:
        """Give way to others that leave this node too, and take it back when they are gone."""
        now = self._share()
        if now is not None and now != self.bandwidth and self.channels == 1:
            self.bandwidth = now
            host.set_bandwidth(self._name, now, post_copy=self._post_copy)


def percent(progress: Progress) -> float:
    """How much of the VM's memory and local disks is at the target, 0 to 100."""
    whole = progress.memory + progress.disks
    return 100 * (1 - (progress.remaining + progress.disks_remaining) / whole) if whole else 0.0
