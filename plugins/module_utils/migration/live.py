# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's live migration, carried out from its source: libvirt moves it, the controller decides (convergence.py),
packets are sent after it (forwarding.py), and whoever watches is told (progress.py).
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..guest.definition import host_interface
from ..guest.migration_policy import Policy
from ..hypervisor.libvirt_host import HostError, LibvirtHost, LibvirtUnreachable, Outcome, Progress, Seen, State
from ..hypervisor.link import speed
from ..journal.book import stamp
from ..peer.channel import PeerError
from ..storage.pool_mark import PoolError
from . import progress as moves
from .bandwidth import channels, share
from .convergence import Abort, Controller, Limit, Order, PostCopy, Sample
from .disk_mirror import Mirror, local_disks
from .forwarding import Forwarder
from .switchover import Unknown, gone, hold, kill, landed, let_go

__all__ = ["LiveMigration", "MigrationFailed", "arrival", "percent"]

#: Seconds between two looks.
_TICK = 0.1
#: Seconds between two words to those who watch.
_WORD = 1.0
#: Seconds that the target's daemon may be silent, until its connection counts as lost.
_SILENT_FOR = 10.0
#: Seconds until a post-copy that lost its connection is taken up again.
_AGAIN = 1.0
#: In libvirt's words: its own QEMU has ended; it does not reach the other node; it, or QEMU, no longer hears that.
_QEMU_LOST = re.compile(r"\bmonitor\b", re.IGNORECASE)
_NO_CONNECTION = re.compile(r"unable to connect|connection refused|no route to host", re.IGNORECASE)
_CONNECTION_LOST = re.compile(
    r"client socket is closed|end of file|broken pipe|reset by peer|keepalive|error in the (push|pull) function",
    re.IGNORECASE,
)
#: In QEMU's, of either end: it may not fetch pages on demand (vm.unprivileged_userfaultfd).
_NO_POST_COPY = re.compile(r"post-?copy is not supported", re.IGNORECASE)
#: Seconds that a VM is held when nobody can tell whether it runs at the target.
_DOUBT = 60.0


class MigrationFailed(Exception):
    """The VM did not get to the target. The text says why."""


class LiveMigration:
    """One migration. ``run()`` returns when the VM runs at the target, and raises MigrationFailed otherwise.

    ``record`` is what is known of it at the source, filled as it goes on. Of one that failed progress.py knows until
    who
    puts that on record says that it is done.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        source: str,
        target: str,
        host: LibvirtHost,
        *,
        tick: float = _TICK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._definition, self._host, self._clock, self._tick = definition, host, clock, tick
        self.name, self.target = str(definition["name"]), target
        self._policy = Policy.of(definition)
        self._memory = int(definition.get("max_memory") or definition["memory"])
        self._controller = Controller(self._policy, self._memory)
        self._wire = speed(target)
        self._bandwidth: int | None = None
        self._channels = 1
        self._forwarder: Forwarder | None = None
        self._mirror: Mirror | None = None
        self._handed_over = False
        self._memory_since: float | None = None
        self._last: Progress | None = None
        self._told = -_WORD
        self._switching = False
        self._left = False
        self._landed: bool | None = None
        self._doubtful = False
        self._settling = threading.Lock()
        self._order: Order | None = None
        self._post_copy = False
        self._who: dict[str, Any] = {"kind": "vm", "from": source, "to": target}
        self.record: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "guest": self.name,
            **self._who,
            "started": stamp(),
            "policy": dict(definition.get("migration") or {}),
            "forwarded": 0,
        }
        self._known = {**self._who, "id": self.record["id"], "since": time.time()}

    def run(self, seconds: float) -> None:
        """Move the VM within ``seconds``."""
        try:
            self._move(seconds)
        except HostError as error:  # before anything had begun
            self._fail(self._cause(error))

    def _move(self, seconds: float) -> None:
        begun = self._clock()
        self._tell("setup", 0, None)
        self._forget_post_copy(seconds)
        self._take_disks_along()
        self._forward()
        try:
            self._host.watch(self.name, self._stopped, self._resumed)
            # Before the start: QEMU decides about the pause with the limit it has in the moment the last pass ends.
            self._host.set_max_downtime(self.name, self._controller.limit)
            self._take_its_share()
            moving = _Thread(self._migrate)
            why = self._accompany(moving, begun, seconds)
            moving = self._see_through(moving, begun, seconds)
            if moving.error is not None and not isinstance(moving.error, HostError):
                raise moving.error
            self._note(self._clock() - begun)
            if moving.error is not None and not self._is_there_all_the_same(moving.error, begun + seconds):
                why = why or self._reason(moving.error)
                self._tell_failed()  # others may wait for it
                with suppress(HostError):  # the next migration tries it again
                    self._forget_post_copy(seconds - (self._clock() - begun))
                self._fail(why)
        finally:
            self._end_forwarding(self.record if self.record.get("result") == "moved" else {})
            self._settle_disks()
            if self.record.get("result") == "moved":
                moves.done(self.name)

    def _migrate(self, again: bool = False) -> None:
        try:
            self._begin(again)
        except HostError as error:
            if again or not self._policy.post_copy or not _NO_POST_COPY.search(str(error)):
                raise
            # It may have been needed in the end. A node that is being emptied cannot wait for that.
            self._policy = replace(self._policy, post_copy=False)
            path = [*self._controller.path, f"without post-copy, which {self.target} does not let it ({error})"]
            self._controller, self._memory_since = Controller(self._policy, self._memory), None
            self._controller.path = path
            self._begin(again)

    def _begin(self, again: bool) -> None:
        policy = self._policy
        self._host.migrate(
            self.name,
            self.target,
            bandwidth=self._bandwidth,
            auto_converge=policy.auto_converge,
            post_copy=policy.post_copy,
            channels=self._channels,
            disks=self._mirror.targets if self._mirror and not again else (),
            again=again,
        )
        self.record["result"] = "moved"

    def _accompany(self, moving: _Thread, begun: float, seconds: float) -> str:
        """Watch the migration to its end, and do what the controller says. Returns why it was called off, if it was."""
        why = ""
        next_look = self._clock() + _SILENT_FOR
        while not moving.wait(self._tick):
            if self._clock() >= next_look:
                next_look += _WORD
                why = self._hang_up() or why
            with suppress(HostError):  # it can end between any two of these lines
                progress = self._host.progress(self.name)
                if progress is None or why or (self._switching and not self._post_copy):
                    continue
                self._last = progress
                if progress.passes and self._memory_since is None:
                    self._memory_since = self._clock()
                sample = Sample(
                    at=self._clock() - (self._memory_since or self._clock()),
                    passes=progress.passes,
                    sent=progress.memory_sent,
                    remaining=progress.remaining,
                    rate=progress.rate,
                    dirty_rate=progress.dirty_rate,
                    throttle=progress.throttle,
                )
                self._tell(self._phase(progress), percent(progress), sample)
                if self._clock() - begun > seconds:
                    self._host.abort(self.name)
                    why = f"Pacemaker's time for it was at an end after {seconds:.0f} s"
                    continue
                # Before the first pass over memory it is disks that are copied.
                order = self._controller.decide(sample) if progress.passes else None
                # One that libvirt does not take just now is given again at the next look, unless there is a newer one.
                if order is not None:
                    self._order = order
                if self._order is not None:
                    why = self._carry_out(self._order) or why
                    self._order = None
                self._share_again()
        return why

    def _hang_up(self) -> str:
        """End a migration that waits for a daemon which no longer says anything. Returns why, if it did."""
        with suppress(HostError):  # Pacemaker's time for it comes to an end too
            if self._host.hang_up(self.target, _SILENT_FOR):
                return f"libvirt's daemon on {self.target} said nothing for {_SILENT_FOR:.0f} s"
        return ""

    def _see_through(self, moving: _Thread, begun: float, seconds: float) -> _Thread:
        """Take a post-copy up again that lost its connection: each node has a part of the VM's memory."""
        while self._post_copy and isinstance(moving.error, HostError) and self._landed is None:
            left = seconds - (self._clock() - begun)
            seen = self._look_again(moving.error)
            if left <= 0 or (seen is not None and not seen.in_halves):
                break
            if seen is not None and gone(self.name, self.target, left):
                # Half a memory is of no use to anybody. The cluster starts the VM anew.
                kill(self.name)
                self._note(self._clock() - begun)
                self._fail(f"{self.target} lost it before all of its memory was there, so it has to start anew")
            time.sleep(_AGAIN)
            if seen is not None:
                word = f"taken up again ({moving.error})"
                if word not in self._controller.path:
                    self._controller.path.append(word)
                moving = _Thread(lambda: self._migrate(again=True))
                self._accompany(moving, begun, seconds)
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
        if not (self._left or lost_sight) or (self._post_copy and self._in_halves(error)):
            return False
        settled = self._landed is not None
        if lost_sight and not settled:
            self._await_daemon(until)
        there = self._settle()
        if there:
            self._controller.path.append(f"it arrived, though libvirt could not see to the end of it ({error})")
            self.record["result"] = "moved"
        elif not settled:
            self._go_on_here()
        return there

    def _await_daemon(self, until: float) -> None:
        """A daemon that is told to stop drops its clients, but ends its migrations first. Until then all is open."""
        while self._clock() < until:
            with suppress(HostError):
                host = LibvirtHost()
                if not host.progress(self.name):
                    return
                host.abort(self.name)
            time.sleep(self._tick)

    def _settle(self) -> bool:
        """Whether the VM runs at the target; if it does, no longer here, and if it does not, nothing of it there.

        Asked once, by whichever of two threads comes first: that of libvirt's events or the one that watches.
        """
        with self._settling:
            if self._landed is None:
                self._landed = self._ask_target()
            return bool(self._landed)

    def _ask_target(self) -> bool:
        hold(self.name)
        try:
            there = landed(self.name, self.target, _DOUBT)
        except Unknown as error:
            # Rather none than two: the cluster starts it again where it may.
            self._doubtful = True
            self._controller.path.append(f"ended here: {error}")
            there = True
        if there:
            kill(self.name)
        else:
            let_go(self.name)
        return there

    def _go_on_here(self) -> None:
        """Let a VM go on that a daemon has left paused which died in the last moment of a migration."""
        until = self._clock() + _DOUBT
        while self._clock() < until:
            with suppress(HostError):
                host = LibvirtHost()
                seen = host.seen(self.name)
                if seen.state in (State.PAUSED, State.FAILED, State.LEAVING) and not seen.in_halves:
                    host.resume(self.name)
                return
            time.sleep(self._tick)

    def _forget_post_copy(self, seconds: float) -> None:
        """Have libvirt forget a post-copy that failed; if possible while it does nothing else on this node."""
        until = self._clock() + min(seconds, _DOUBT)
        while self._host.failed_post_copy(self.name):
            if self._clock() < until and self._others_at_work():
                time.sleep(_AGAIN)
            else:
                self._host.forget_post_copy(self.name)
                return

    def _others_at_work(self) -> bool:
        """Whether another VM leaves this node, or the cluster does something with another guest here."""
        leaving = [one for one in moves.read_all() if one.get("kind") == "vm" and one.get("phase") != "failed"]
        if any(one["guest"] != self.name for one in leaving):
            return True
        with suppress(ClusterError):
            resources = Pacemaker().status().resources
            return any(one.pending and one.name != self.name and self._who["from"] in one.nodes for one in resources)
        return False

    def _reason(self, error: Exception) -> str:
        cause = self._cause(error)
        if not self._post_copy:
            return cause
        if isinstance(error, HostError) and self._in_halves(error):
            return f"its post-copy to {self.target} was not to be taken up again in time: {cause}"
        return f"its post-copy to {self.target} broke off before it had begun there: {cause}"

    def _cause(self, error: Exception) -> str:
        said = str(error)
        if isinstance(error, LibvirtUnreachable):
            return f"libvirt's daemon on {self._who['from']} ended meanwhile ({said})"
        if _QEMU_LOST.search(said):
            return said
        if _NO_CONNECTION.search(said):
            return f"{self.target} cannot be reached ({said})"
        if _CONNECTION_LOST.search(said):
            return f"the connection to {self.target} was lost ({said})"
        return said

    def _carry_out(self, order: Order) -> str:
        if isinstance(order, Limit):
            self._host.set_max_downtime(self.name, order.milliseconds)
        elif isinstance(order, PostCopy):
            self._post_copy, self._told = True, -_WORD
            self._host.start_post_copy(self.name)
        elif isinstance(order, Abort):
            self._host.abort(self.name)
            return order.reason
        return ""

    def _share(self) -> int | None:
        return share(self._wire, self._policy.bandwidth, len(moves.read_all()))

    def _take_its_share(self) -> None:
        """Of a wire that is worth several channels it takes what TCP leaves it: these must have no limit.

        Disks, which may take hours, do have one, and so does the memory that comes with them.
        """
        self._bandwidth = self._share()
        self._channels = 1 if self._mirror else channels(self._policy.channels, self._bandwidth)
        if self._channels > 1:
            self._bandwidth = None

    def _share_again(self) -> None:
        """Give way to others that leave this node too, and take it back when they are gone."""
        now = self._share()
        if now is not None and now != self._bandwidth and self._channels == 1:
            self._bandwidth = now
            self._host.set_bandwidth(self.name, now, post_copy=self._post_copy)

    # --- disks -----------------------------------------------------------------------------------------------

    def _take_disks_along(self) -> None:
        disks = local_disks(self._definition)
        if not disks:
            return
        sizes = self._host.disk_sizes(self.name, [disk["target"] for disk in disks])
        if waiting := [disk["target"] for disk in disks if disk["target"] not in sizes]:
            self._fail(
                f"its disk {' and '.join(waiting)} on local storage was declared while it ran and is still to be "
                "attached, so it would be left behind: run playbooks/guests.yml, permit a restart if it asks"
            )
        try:
            self._mirror = Mirror(self._definition, self.target, sizes)
        except (PeerError, PoolError, OSError) as error:
            self._fail(f"{self.target}: {error}")
        self._controller.path.insert(0, "disks")

    def _hand_over(self, source: str, target: str) -> None:
        try:
            Pacemaker().hand_over(self.name, source, target)
        except ClusterError as error:
            # Whoever looks next where it runs says so.
            self._controller.path.append(f"the cluster still has its data on {source} ({error})")

    def _settle_disks(self) -> None:
        if self._mirror is None:
            return
        if self.record.get("result") == "moved":
            # The daemon may have died before it could tell of the stop. Where nobody knows, half a disk is no data.
            if not self._handed_over and not self._doubtful:
                self._hand_over(self._who["from"], self.target)
            self._mirror.keep()
            return
        if self._handed_over:
            self._hand_over(self.target, self._who["from"])
        self._mirror.drop()

    def _fail(self, reason: str) -> NoReturn:
        self.record.update(result="failed", reason=reason, ended=stamp())
        self._tell_failed()
        raise MigrationFailed(reason)

    # --- packets ---------------------------------------------------------------------------------------------

    def _forward(self) -> None:
        # One without interfaces has nothing to send on, but the target is told of the move the same way.
        taps = [host_interface(self.name, nic["mac"]) for nic in self._definition["nics"]]
        try:
            self._forwarder = Forwarder(self.name, taps, self.target)
            self._forwarder.start()
        except OSError as error:
            self._controller.path.append(f"packets not forwarded ({error})")

    def _stopped(self) -> None:
        self._switching = self._left = True
        if self._forwarder is not None:
            self._forwarder.switch()
        if self._mirror is not None:
            # From here on it is the target's disks that have what the VM wrote last.
            self._handed_over = True
            self._hand_over(self._who["from"], self.target)

    def _resumed(self) -> None:
        """It goes on here; unless it does at the target."""
        if self._left:
            self._settle()
        self._switching = False
        if self._forwarder is not None and not self._landed:
            self._forwarder.resume()

    def _end_forwarding(self, report: Mapping[str, Any]) -> None:
        if self._forwarder is None:
            return
        self._forwarder.stop()
        self.record["forwarded"] = self._forwarder.sent
        if self._forwarder.trouble:
            self._controller.path.append(self._forwarder.trouble)
        self._forwarder.finish(report)

    # --- telling ---------------------------------------------------------------------------------------------

    def _phase(self, progress: Progress) -> str:
        if self._post_copy:
            return "post-copy"
        return "copying disks" if progress.disks_remaining else "copying"

    def _tell(self, phase: str, done: float, sample: Sample | None) -> None:
        now = self._clock()
        if now - self._told < _WORD:
            return
        self._told = now
        more: dict[str, Any] = {}
        if sample is not None:
            more = {
                "rate": sample.rate,
                "round": sample.passes,
                "remaining": sample.remaining,
                "pause_ms": self._controller.expected_pause(sample),
            }
        moves.progress(self.name, **self._known, phase=phase, percent=round(done), total=self._memory, **more)

    def _tell_failed(self) -> None:
        moves.progress(self.name, **self._known, phase="failed")

    def _note(self, seconds: float) -> None:
        sent = self._last.sent if self._last else 0
        self.record.update(
            seconds=round(seconds, 3), rounds=self._controller.rounds, bytes=sent, path=self._controller.path
        )


def percent(progress: Progress) -> float:
    """How much of the VM's memory and local disks is at the target, 0 to 100."""
    whole = progress.memory + progress.disks
    return 100 * (1 - (progress.remaining + progress.disks_remaining) / whole) if whole else 0.0


def arrival(
    name: str, source: str | None, target: str, outcome: Outcome | None, report: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a migration that has arrived: what its source reported, and what libvirt knows at the target.

    Its ``seconds`` and ``downtime_ms`` are the hypervisor's: from its start, and from the VM's last moment at the
    source to its first at the target.
    """
    known = {"guest": name, "kind": "vm", "from": source, "to": target, "started": stamp(), "path": ["pre-copy"]}
    record = {**known, **report, "result": "moved", "ended": stamp()}
    if outcome is not None:
        record.update(
            seconds=outcome.total / 1000, downtime_ms=outcome.pause, rounds=outcome.passes, bytes=outcome.sent
        )
    return record


class _Thread:
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
