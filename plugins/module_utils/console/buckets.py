# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A limit of how often an address may ask: a bucket of requests each, which fills up again with time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Buckets"]

#: Addresses that are kept in mind; of more, those that asked longest ago are forgotten.
_MOST = 4096


class Buckets:
    """How many requests each address has left: at most ``size``, and ``rate`` more a second."""

    def __init__(self, size: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._rate, self._clock = size, rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, cost: float = 1.0) -> bool:
        """Whether the address may ask once more, which it then has. What is cheap to answer takes less than one."""
        now = self._clock()
        left, since = self._left.pop(address, (self._size, now))
        left = min(self._size, left + (now - since) * self._rate)
        allowed = left >= cost
        self._left[address] = (left - cost if allowed else left, now)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        return allowed
