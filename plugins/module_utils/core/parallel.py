# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Doing the same for many things at once: asking all nodes, for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

__all__ = ["both", "side_by_side"]

T = TypeVar("T")
S = TypeVar("S")
K = TypeVar("K")

#: Threads at a time.
_MOST = 64


def side_by_side(
    do: Callable[[K], T], things: Iterable[K], *, patience: float | None = None, most: int = _MOST
) -> dict[K, T]:
    """``do`` for each of the things at the same time, at most ``most`` of them; what each came to, in their order.

    Raises what one of them raised, once all have ended. What has not ended after ``patience`` seconds is left out, and
    left to itself: it keeps no program from ending.
    """
    things = list(dict.fromkeys(things))
    waiting = iter(things)
    lock = threading.Lock()
    results: dict[K, T] = {}
    errors: list[Exception] = []

    def work() -> None:
        while True:
            with lock:
                try:
                    thing = next(waiting)
                except StopIteration:
                    return
            try:
                result = do(thing)
            except Exception as error:  # raised again in the thread that waits
                errors.append(error)
            else:
                with lock:
                    results[thing] = result

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(most, len(things)))]
    for thread in threads:
        thread.start()
    end = None if patience is None else time.monotonic() + patience
    for thread in threads:
        thread.join(None if end is None else max(0.0, end - time.monotonic()))
    for error in errors:
        raise error
    with lock:
        for _left in waiting:  # nobody begins with them any more
            pass
        return {thing: results[thing] for thing in things if thing in results}


def both(one: Callable[[], T], other: Callable[[], S]) -> tuple[T, S]:
    """What two calls return that are made at the same time. Raises what one of them raised, once both have ended."""
    found = side_by_side(lambda call: call(), [one, other])
    return cast("T", found[one]), cast("S", found[other])
