# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who of those that connect gets a process: so many of an address at a time, until they have proved who they are."""

from __future__ import annotations

from collections import Counter, deque
from typing import Generic, Literal, TypeVar

__all__ = ["Admission"]

T = TypeVar("T")


class Admission(Generic[T]):
    """The connections that have not yet proved who they are, by address.

    At most ``each`` of an address and ``together`` of all are served at a time. Of the others at most ``waiting`` of
    an address wait for their turn, and addresses take turns: a flood from one of them only holds up itself.
    """

    def __init__(self, each: int, together: int, waiting: int) -> None:
        self._each, self._together, self._longest = each, together, waiting
        self._served: Counter[str] = Counter()
        self._waiting: dict[str, deque[T]] = {}

    @property
    def waiting(self) -> list[T]:
        """All that wait."""
        return [one for line in self._waiting.values() for one in line]

    def arrive(self, address: str, connection: T) -> Literal["serve", "wait", "refuse"]:
        """What becomes of a new connection; one that is to be served counts from now on."""
        line = self._waiting.get(address)
        if not line and self._has_room(address):
            self._served[address] += 1
            return "serve"
        if line is not None and len(line) >= self._longest:
            return "refuse"
        self._waiting.setdefault(address, deque()).append(connection)
        return "wait"

    def proved(self, address: str) -> list[tuple[str, T]]:
        """One of an address has proved who it is, or failed to; those whose turn it is now, who count."""
        self._served[address] -= 1
        if not self._served[address]:
            del self._served[address]
        turns = []
        for candidate in [place for place in self._waiting if self._has_room(place)]:
            if self._has_room(candidate):
                line = self._waiting.pop(candidate)
                turns.append((candidate, line.popleft()))
                self._served[candidate] += 1
                if line:  # at the end: addresses take turns
                    self._waiting[candidate] = line
        return turns

    def _has_room(self, address: str) -> bool:
        return self._served[address] < self._each and self._served.total() < self._together
