# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guessing passwords is slow: failures count by address and user, and too many of them close the door for a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["Lockout"]

#: Seconds for which a failure counts.
_WINDOW = 300.0
#: Failures in that time: of one user from one address, from one address, of one user. A user's own address is
#: closed long before they are shut out everywhere, so nobody shuts others out from afar with a few tries.
_LIMITS = {"both": 5, "address": 20, "user": 100}
#: Keys that are remembered; the oldest go first.
_MOST = 10_000


class Lockout:
    """The failures of late, of this node."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str, str], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, user: str, address: str) -> float:
        """Seconds until this user may try again from there; 0 for now."""
        now = self._clock()
        with self._lock:
            waits = [self._wait(key, now) for key in _keys(user, address)]
        return max(waits)

    def failed(self, user: str, address: str) -> bool:
        """Count a failure. Returns whether it was the one that closes the door."""
        now = self._clock()
        with self._lock:
            open_before = all(not self._wait(key, now) for key in _keys(user, address))
            for key in _keys(user, address):
                self._failures.setdefault(key, deque(maxlen=_LIMITS[key[0]])).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)
            return open_before and any(self._wait(key, now) for key in _keys(user, address))

    def succeeded(self, user: str, address: str) -> None:
        with self._lock:
            self._failures.pop(("both", user, address), None)

    def _wait(self, key: tuple[str, str, str], now: float) -> float:
        times = self._failures.get(key)
        if times is None or len(times) < _LIMITS[key[0]]:
            return 0.0
        return max(0.0, times[0] + _WINDOW - now)


def _keys(user: str, address: str) -> list[tuple[str, str, str]]:
    return [("both", user, address), ("address", "", address), ("user", user, "")]
