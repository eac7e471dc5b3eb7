# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting, by a clock that only moves when somebody sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


@pytest.mark.parametrize(
    ("ready_at", "timeout", "slept"),
    [(0, 0, []), (1, 2, [0.5]), (3, 2, [0.5, 0.5, 0.5]), (2, 0.7, [0.5, 0.2])],
)
def test_the_look_that_satisfies_is_returned(ready_at: int, timeout: float, slept: list[float]) -> None:
    clock, looks = Clock(), count()
    seen = wait_for(
        lambda: next(looks), lambda n: n >= ready_at, what="it", timeout=timeout, clock=clock, sleep=clock.sleep
    )
    assert (seen, clock.slept) == (ready_at, slept)


def test_a_timeout_carries_what_was_seen_last_and_looks_at_the_very_end() -> None:
    clock = Clock()
    looks: Iterator[str] = iter(["first", "second", "last"])
    with pytest.raises(WaitTimeout, match=r"tea did not happen within 1\.0 s; last seen: last") as caught:
        wait_for(lambda: next(looks), lambda _: False, what="tea", timeout=1, clock=clock, sleep=clock.sleep)
    assert (caught.value.last, caught.value.waited, caught.value.what) == ("last", 1.0, "tea")
