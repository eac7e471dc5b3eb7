# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same for many things at once."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.parallel import side_by_side


def test_all_at_once_and_in_their_order() -> None:
    both = threading.Barrier(2, timeout=5)
    assert set(side_by_side(lambda _n: both.wait(), ["a", "b"]).values()) == {0, 1}
    assert list(side_by_side(lambda n: time.sleep(n / 100), [3, 1, 2])) == [3, 1, 2]
    assert side_by_side(str, []) == {}
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda n: 1 // n, [1, 0])


def test_no_more_at_a_time_than_told() -> None:
    running, most = set[int](), list[int]()

    def do(number: int) -> int:
        running.add(number)
        most.append(len(running))
        time.sleep(0.01)
        running.remove(number)
        return number * 2

    assert side_by_side(do, range(20), most=4) == {number: number * 2 for number in range(20)}
    assert max(most) <= 4


def test_who_takes_too_long_is_left_out_and_what_waits_is_not_begun() -> None:
    end, begun = threading.Event(), list[str]()

    def do(name: str) -> str:
        begun.append(name)
        if name == "slow":
            end.wait(10)
        return name

    start = time.monotonic()
    assert side_by_side(do, ["quick", "slow"], patience=0.1) == {"quick": "quick"}
    assert side_by_side(do, ["slow", "never"], patience=0.1, most=1) == {}
    assert time.monotonic() - start < 5
    end.set()
    time.sleep(0.05)
    assert "never" not in begun
