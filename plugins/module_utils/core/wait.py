# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting: a predicate, a monotonic clock and a deadline; a timeout carries what was seen last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from .errors import DroverError

__all__ = ["Deadline", "WaitTimeout", "or_last", "wait_for"]

T = TypeVar("T")


class WaitTimeout(DroverError, Generic[T]):
    """The deadline passed. ``last`` is what the last look returned, ``waited`` the seconds spent."""

    def __init__(self, what: str, last: T, waited: float) -> None:
        super().__init__(f"{what} did not happen within {waited:.1f} s; last seen: {last}")
        self.what = what
        self.last = last
        self.waited = waited


def wait_for(
    look: Callable[[], T],
    done: Callable[[T], bool],
    *,
    what: str,
    timeout: float,
    interval: float | Callable[[], float] = 0.5,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Look every ``interval`` seconds until ``done(look())`` holds, and return that last look. An interval that depends
    on what the last look cost is asked for after it.

    Looks at least once. Raises WaitTimeout after ``timeout`` seconds.
    """
    start = clock()
    while True:
        seen = look()
        if done(seen):
            return seen
        waited = clock() - start
        if waited >= timeout:
            raise WaitTimeout(what, seen, waited)
        pause = interval() if callable(interval) else interval
        sleep(min(pause, max(0.0, timeout - waited)))


def or_last(wait: Callable[[], T]) -> T:
    """What a wait ends with; what it saw last when its time is over."""
    try:
        return wait()
    except WaitTimeout as late:
        last: T = late.last
        return last


class Deadline:
    """The moment by which something must have answered, such as an agent's action, which Pacemaker kills then."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds = seconds
        self.sleep = sleep
        self.clock = clock
        self._end = clock() + seconds

    def left(self, reserve: float = 0.0) -> float:
        """The seconds until then, less ``reserve``; never negative."""
        return max(0.0, self._end - reserve - self.clock())

    def wait(
        self, look: Callable[[], T], done: Callable[[T], bool], *, what: str, timeout: float, interval: float = 0.1
    ) -> T:
        """:func:`wait_for` on this deadline's clock."""
        return wait_for(look, done, what=what, timeout=timeout, interval=interval, clock=self.clock, sleep=self.sleep)
