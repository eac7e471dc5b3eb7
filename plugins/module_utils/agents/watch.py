# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The watcher of a node's guests: the kernel tells it when a guest's process ends, and it tells the cluster.

Pacemaker's monitors look every ten seconds. They go on as they are, and are all there is while the watcher is down: it
only comes before them. Which process is a guest's, the whole monitor has left beside (glance.py: marks). What follows
an end is done by a process of its own (end.py), so that a daemon that hangs holds up nothing else.
"""

from __future__ import annotations

import os
import selectors
import signal
import syslog
import time
from collections import deque
from collections.abc import Callable

from ..core.arrivals import Arrivals
from ..core.processes import lives
from . import glance

__all__ = ["Often", "Watcher", "main"]

#: Ends that are settled at the same time; a node that runs out of memory may lose dozens of guests at once.
_AT_ONCE = 4
#: Seconds after which a process that settles an end is given up.
_PATIENCE = 15
#: A guest that ends more often than that in so many seconds is left to its monitor, lest it keep the cluster busy.
_OFTEN, _WITHIN = 3, 120.0


class Often:
    """How often the cluster was told of guests, so as not to tell it all the time of one that cannot live."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, deque[float]] = {}

    def note(self, guest: str) -> None:
        self._told.setdefault(guest, deque(maxlen=_OFTEN)).append(self._clock())

    def too_often(self, guest: str) -> bool:
        times = self._told.get(guest, deque())
        return len(times) == _OFTEN and self._clock() - times[0] < _WITHIN


class Watcher:
    """``settle`` is what a child process does about an end: given the guest and its process, it returns the exit
    status, 0 if the cluster was told."""

    def __init__(self, settle: Callable[[str, int, int], int], often: Often | None = None) -> None:
        self._settle = settle
        self._often = often or Often()
        self._selector = selectors.DefaultSelector()
        self._guests: dict[str, tuple[int, int, int]] = {}
        self._children: dict[int, tuple[str, int]] = {}
        self._waiting: deque[tuple[str, int, int]] = deque()
        os.makedirs(glance.MARKS, mode=0o700, exist_ok=True)
        self._arrivals = Arrivals(glance.MARKS)
        self._selector.register(self._arrivals, selectors.EVENT_READ, self._arrived)
        # Only now: what is marked from here on, arrives.
        for name in os.listdir(glance.MARKS):
            self._look(name)

    def step(self, timeout: float | None = None) -> None:
        """Wait for something to happen, and see to it."""
        for key, _events in self._selector.select(timeout):
            key.data()
        while self._waiting and len(self._children) < _AT_ONCE:
            self._begin(*self._waiting.popleft())

    def _arrived(self) -> None:
        for name in self._arrivals.read():
            self._look(name)

    def _look(self, name: str) -> None:
        """Watch the process that the guest's mark names, if it is another than before."""
        found = None if name.startswith(".") else glance.marked(name)
        if found is None or found == self._guests.get(name, (0, 0, 0))[:2]:
            return
        self._forget(name)
        pid, born = found
        try:
            watched = os.pidfd_open(pid)
        except OSError:
            self._ended(name, pid, born)
            return
        if not lives(pid, born):
            os.close(watched)
            self._ended(name, pid, born)
            return
        self._guests[name] = (pid, born, watched)
        self._selector.register(watched, selectors.EVENT_READ, lambda: self._ended(name, pid, born))

    def _forget(self, name: str) -> None:
        if name in self._guests:
            watched = self._guests.pop(name)[2]
            self._selector.unregister(watched)
            os.close(watched)

    def _ended(self, name: str, pid: int, born: int) -> None:
        # The guest may be watched as another process by now, of which the kernel told at the same time.
        if self._guests.get(name, ())[:2] == (pid, born):
            self._forget(name)
        # Without it, an agent has ended the guest, or is about to.
        if glance.marked(name) != (pid, born):
            return
        if self._often.too_often(name):
            syslog.syslog(syslog.LOG_WARNING, f"{name} ends again and again: left to its monitor")
            return
        self._waiting.append((name, pid, born))

    def _begin(self, name: str, pid: int, born: int) -> None:
        child = os.fork()
        if not child:
            status = 1
            try:
                signal.alarm(_PATIENCE)
                status = self._settle(name, pid, born)
            finally:
                os._exit(status)
        ends = os.pidfd_open(child)
        self._children[ends] = (name, child)
        self._selector.register(ends, selectors.EVENT_READ, lambda: self._reap(ends))

    def _reap(self, ends: int) -> None:
        name, child = self._children.pop(ends)
        self._selector.unregister(ends)
        os.close(ends)
        _child, status = os.waitpid(child, 0)
        if status == 0:
            self._often.note(name)


def main() -> int:
    """Watch until killed."""
    # Before the first end, so that children find it loaded.
    from .end import End

    syslog.openlog("drover-watch", syslog.LOG_PID, syslog.LOG_DAEMON)

    def settle(guest: str, pid: int, born: int) -> int:
        outcome = End(guest, pid, born).tell()
        if outcome.told:
            syslog.syslog(syslog.LOG_WARNING, f"{guest} has ended, process {pid}: told the cluster")
        else:
            syslog.syslog(syslog.LOG_INFO, f"{guest} has ended, process {pid}, and is left alone: {outcome.why}")
        return 0 if outcome.told else 1

    watcher = Watcher(settle)
    while True:
        watcher.step()
