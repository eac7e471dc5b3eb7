# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guessing passwords is slow: failures count by address and user, and too many of them close the door for a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .trouble import Trouble

__all__ = ["Lockout", "Try"]

#: Seconds for which a failure counts.
_WINDOW = 300.0
#: Failures in that time: of one user from one address, from one address, of one user. A user's own address is
#: closed long before they are shut out everywhere, so nobody shuts others out from afar with a few tries.
_LIMITS = {"both": 5, "address": 20, "user": 100}
#: Keys that are remembered; the oldest go first.
_MOST = 10_000


@dataclass(frozen=True)
class Try:
    """One that may be made, and counts as failed until it is told otherwise. ``last``: the door closes behind it."""

    user: str
    address: str
    at: float
    last: bool


class Lockout:
    """The failures of late, of this node. ``limits`` are those of what is counted."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, limits: Mapping[str, int] = MappingProxyType(_LIMITS)
    ) -> None:
        self._clock, self._limits = clock, limits
        self._failures: OrderedDict[tuple[str, str, str], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, user: str, address: str) -> Try:
        """Count a try before it is made, for many may be made side by side. Raises Trouble, with how long to wait, when
        there were too many."""
        now = self._clock()
        with self._lock:
            keys = self._keys(user, address)
            if wait := max(self._wait(key, now) for key in keys):
                raise Trouble(
                    "locked_out", 429, "there were too many failures", remedy=f"Try again in {wait + 1:.0f} s."
                )
            for key in keys:
                self._failures.setdefault(key, deque(maxlen=self._limits[key[0]])).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)
            return Try(user, address, now, any(self._wait(key, now) for key in keys))

    def succeeded(self, one: Try) -> None:
        """It was none that failed, and those of this user from there count no more."""
        with self._lock:
            for key in self._keys(one.user, one.address):
                times = self._failures.get(key)
                if times is None:
                    continue
                if one.at in times:
                    times.remove(one.at)
                if not times or key[0] == "both":
                    del self._failures[key]

    def _keys(self, user: str, address: str) -> list[tuple[str, str, str]]:
        keys = [("both", user, address), ("address", "", address), ("user", user, "")]
        return [key for key in keys if key[0] in self._limits]

    def _wait(self, key: tuple[str, str, str], now: float) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < self._limits[key[0]]:
            return 0.0
        return max(0.0, times[0] + _WINDOW - now)
