# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller, against guests that change their memory at all kinds of rates: what stories/ tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB, MIB
from ansible_collections.cspp.drover.plugins.module_utils.guest.migration_policy import OVERHEAD, Policy
from ansible_collections.cspp.drover.plugins.module_utils.migration.convergence import (
    STALL,
    Abort,
    Controller,
    Limit,
    Order,
    PostCopy,
    Sample,
)
from ansible_collections.cspp.drover.tests.unit.migration.story import TICK, Given, StoryError, expect, read

STORIES = sorted((Path(__file__).parent / "stories").glob("*.txt"))


@pytest.mark.parametrize("story", [pytest.param(path, id=path.stem) for path in STORIES])
def test_story(story: Path) -> None:
    read(story.read_text(encoding="utf-8")).check()


def test_there_are_stories() -> None:
    assert len(STORIES) >= 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("guest\n  memorie: 1 GiB\norders\n  end", "memorie"),
        ("guest\n  memory: 1 GB\norders\n  end", "no amount: 1 GB"),
        ("policy\n  post_copy: fallback", "neither yes nor no"),
        ("guests\n  memory: 1 GiB", "no section guests"),
        ("  memory: 1 GiB", "in no section"),
        ("orders\n  end", "either a guest or looks"),
        ("guest\n  writes: 1 MiB/s", "a guest needs orders"),
        ("looks\n  at 1 pass 1 sent 0", "a look has at pass sent left wire"),
        ("looks\n  at 1 pass one sent 0 left 1 wire 1", "a look has at pass sent left wire"),
    ],
)
def test_a_story_that_is_misspelt_is_refused(text: str, said: str) -> None:
    with pytest.raises(StoryError, match=said):
        read(text)


GIVEN = [Given(2.0, Limit(30)), Given(9.0, PostCopy())]


@pytest.mark.parametrize(
    "lines",
    [
        ["limit 30 ms", "post-copy"],
        ["limit 20 to 30 ms", "post-copy after 9 s before 10 s"],
        ["limits within max_downtime", "post-copy"],
        ["limits", "post-copy"],
    ],
)
def test_a_story_is_true_when_its_orders_are_given(lines: list[str]) -> None:
    expect(lines, GIVEN, Policy())


@pytest.mark.parametrize(
    "lines",
    [
        ["limit 30 ms"],
        ["post-copy"],
        ["limit 31 ms", "post-copy"],
        ["limit 30 ms", "limit 30 ms", "post-copy"],
        ["limits", "post-copy before 9 s"],
        ["limits", "post-copy after 10 s"],
        ["limits", "call off"],
        ["limits", "end"],
        ["limits", "post-copy", "end"],
    ],
)
def test_a_story_is_not_true_when_others_are(lines: list[str]) -> None:
    with pytest.raises(AssertionError):
        expect(lines, GIVEN, Policy())


def test_limits_beyond_what_is_allowed_are_not_within() -> None:
    with pytest.raises(AssertionError):
        expect(["limits within max_downtime", "post-copy"], GIVEN, Policy(max_downtime=49))


def test_an_order_that_nobody_knows_is_refused() -> None:
    with pytest.raises(StoryError, match="no order reads so: give up"):
        expect(["give up"], GIVEN, Policy())


def test_the_time_limit_goes_by_the_memory() -> None:
    assert Policy().patience(0) == 60
    assert Policy().patience(100 * GIB) == 60 + 4 * 1024
    assert Policy(bandwidth=GIB, channels=16).patience(64 * GIB) == 60 + 4 * 64
    # What one channel does not carry, is not sent any sooner.
    assert Policy(bandwidth=GIB).patience(50 * GIB) == 60 + 4 * 256
    assert Policy(timeout=7).patience(64 * GIB) == 7


def test_a_post_copy_gets_time_beyond_the_limit() -> None:
    assert Policy(timeout=7).longest(64 * GIB) == 7
    # It goes on with one channel, as fast as that is.
    assert Policy(timeout=7, bandwidth=GIB, post_copy=True).longest(50 * GIB) == 7 + 60 + 2 * 256


@pytest.mark.parametrize(
    ("migration", "policy"),
    [
        ({}, Policy()),
        (None, Policy()),
        ({"post_copy": "never"}, Policy()),
        ({"post_copy": "fallback", "max_downtime": 30}, Policy(post_copy=True, max_downtime=30)),
    ],
)
def test_the_policy_of_a_definition(migration: Any, policy: Policy) -> None:
    assert Policy.of({"migration": migration}) == policy


def test_the_expected_pause_falls_with_what_is_left() -> None:
    controller, sent = Controller(Policy(max_downtime=300), GIB), 0
    first = Sample(1, 1, sent, GIB, 500 * MIB)
    assert controller.expected_pause(first) == OVERHEAD + 1
    for passes, size in ((2, GIB), (3, 100 * MIB), (4, 50 * MIB), (5, 5 * MIB)):
        sent += size
        controller.decide(Sample(passes, passes, sent, MIB, 500 * MIB))
    assert controller.expected_pause(Sample(6, 5, sent, MIB, 500 * MIB)) == OVERHEAD + 10


def test_stalls_are_told_within_ten_seconds() -> None:
    assert STALL + TICK < 10


def looks(controller: Controller, *sizes: float) -> list[Order | None]:
    """What it orders when it looks right before and after the end of each pass, of so many MiB at 100 MiB a second."""
    orders, sent, at = [], 0.0, 0.0
    for passes, size in enumerate(sizes, start=1):
        sent, at = sent + size, at + size / 100
        for begun in (passes, passes + 1):
            orders.append(controller.decide(Sample(at, begun, int(sent * MIB), 1, 100 * MIB)))
    return orders


def test_one_pass_that_brings_nothing_is_forgiven() -> None:
    controller = Controller(Policy(max_downtime=300, auto_converge=False), GIB)
    assert looks(controller, 1024, 20, 20) == [None] * 6
    controller = Controller(Policy(max_downtime=300, auto_converge=False), GIB)
    assert looks(controller, 1024, 20, 20, 20)[-1] == Limit(200)


def test_a_limit_that_was_not_enough_grows_by_half_after_two_more_passes() -> None:
    controller = Controller(Policy(max_downtime=1000, auto_converge=False), GIB)
    # The first look at a pass tells of the one before.
    orders = looks(controller, 1024, *[20] * 7)[1::2]
    assert orders == [None, None, None, Limit(200), None, Limit(300), None, Limit(450)]


def test_a_long_pass_that_is_no_shorter_is_not_waited_for() -> None:
    controller = Controller(Policy(max_downtime=300, auto_converge=False), 2 * GIB)
    looks(controller, 1000)
    for after, order in ((3.9, None), (4.1, Limit(280)), (7.9, None)):
        left = int((1000 - 100 * after) * MIB)
        seen = Sample(10 + after, 2, 2000 * MIB - left, left, 100 * MIB)
        assert controller.decide(seen) == order
    assert isinstance(controller.decide(Sample(18.1, 2, 1810 * MIB, 190 * MIB, 100 * MIB)), Abort)


@pytest.mark.parametrize("auto_converge", [False, True])
def test_a_guest_that_may_be_slowed_down_is_not_called_off_in_the_second_pass(auto_converge: bool) -> None:
    controller = Controller(Policy(auto_converge=auto_converge), 2 * GIB)
    looks(controller, 1000)
    stalled = Sample(18.1, 2, 1810 * MIB, 190 * MIB, 100 * MIB)
    # The first look raises the limit.
    assert controller.decide(stalled) == Limit(30)
    assert isinstance(controller.decide(stalled), Abort) is not auto_converge


@pytest.mark.parametrize("auto_converge", [False, True])
def test_only_what_is_not_allowed_yet_is_a_remedy(auto_converge: bool) -> None:
    order = Controller(Policy(timeout=5, auto_converge=auto_converge), GIB).decide(Sample(6, 1, MIB, GIB, MIB))
    assert isinstance(order, Abort)
    assert ("auto_converge: true" in order.reason) is not auto_converge


def test_what_is_left_of_a_pass_may_have_been_sent_faster_than_it_is_told() -> None:
    controller = Controller(Policy(max_downtime=3000), GIB)
    looks(controller, 1000)
    controller.decide(Sample(10.4, 2, 1040 * MIB, 60 * MIB, 100 * MIB))
    # 40 MiB were sent since, of the 60 that were left, and yet the pass is over.
    ended = Sample(10.8, 3, 1080 * MIB, MIB, 100 * MIB)
    controller.decide(ended)
    assert controller.expected_pause(ended) == OVERHEAD + 800


def test_the_end_is_ordered_once() -> None:
    controller = Controller(Policy(timeout=5), GIB)
    assert isinstance(controller.decide(Sample(6, 1, MIB, GIB, MIB)), Abort)
    assert controller.decide(Sample(7, 1, MIB, GIB, MIB)) is None
    assert controller.path == ["pre-copy", "aborted"]


def test_the_expected_pause_is_what_the_best_pass_takes() -> None:
    controller = Controller(Policy(max_downtime=10_000), GIB)
    looks(controller, 1024, 500, 600)
    assert controller.expected_pause(Sample(22, 4, 2124 * MIB, 600 * MIB, 100 * MIB)) == OVERHEAD + 5000


def test_passes_that_ended_between_two_looks_share_what_was_sent() -> None:
    controller = Controller(Policy(max_downtime=3000), GIB)
    looks(controller, 1000)
    ended = Sample(10.9, 5, 1090 * MIB, MIB, 100 * MIB)
    controller.decide(ended)
    assert controller.expected_pause(ended) == OVERHEAD + 300


def test_the_rounds_are_the_passes_begun_and_none_of_what_never_began() -> None:
    controller = Controller(Policy(), GIB)
    controller.decide(Sample(0.1, 0, 0, 0, 0))
    assert controller.rounds == 0
    looks(controller, 1024, 100)
    assert controller.rounds == 3
