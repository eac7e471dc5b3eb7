# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller, against guests that change their memory at all kinds of rates."""

from __future__ import annotations

from dataclasses import dataclass, field
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

TICK = 0.1
#: Seconds after which QEMU looks again at what was changed in a pass that still lasts.
SYNC = 5.0


@dataclass
class Guest:
    """A guest under pre-copy: ``working_set`` bytes that it writes again and again, ``dirty_rate`` bytes a second.

    It stands for QEMU as well, which ends the migration once the rest fits the limit, and looks at what was changed
    every 5 s of a later pass if it may slow the guest down, which it does to one that is ``throttled``.
    """

    memory: int = 512 * MIB
    working_set: int = 64 * MIB
    dirty_rate: int = 0
    rate: int = 500 * MIB
    throttled: bool = False
    orders: list[tuple[float, Order]] = field(default_factory=list)

    def migrate(self, policy: Policy, seconds: float = 300) -> Controller:
        controller = Controller(policy, self.memory)
        limit, now, passes, left, throttle = controller.limit, 0.0, 1, float(self.memory), 0
        pass_began, sent, in_vain = 0.0, 0.0, 0
        while now < seconds:
            now += TICK
            left -= self.rate * TICK
            sent += self.rate * TICK
            if policy.auto_converge and passes > 1 and left > 0 and now - pass_began >= SYNC:
                dirty = self.dirty_rate * (100 - throttle) / 100 * SYNC
                left, pass_began, passes = min(self.working_set, left + dirty), now, passes + 1
                in_vain += dirty > self.rate * SYNC / 2
            while left <= 0:
                spare = -left
                ended = now - spare / self.rate
                slowed = self.dirty_rate * (100 - throttle) / 100
                left = min(self.working_set, slowed * max(ended - pass_began, 0.001))
                pass_began, passes = ended, passes + 1
                if left <= self.rate * limit / 1000:
                    return controller
                in_vain += slowed > self.rate / 2
                left -= spare
            if policy.auto_converge and self.throttled and in_vain >= 2:
                in_vain, throttle = 0, min(99, throttle + (10 if throttle else 20))
            seen = Sample(now, passes, int(sent), int(max(left, 1)), self.rate, self.dirty_rate, throttle)
            if (order := controller.decide(seen)) is not None:
                self.orders.append((now, order))
                if isinstance(order, Limit):
                    limit = order.milliseconds
                else:
                    return controller
        raise AssertionError("it never ended")

    @property
    def limits(self) -> list[int]:
        return [order.milliseconds for _at, order in self.orders if isinstance(order, Limit)]


def test_an_idle_guest_is_left_alone() -> None:
    guest = Guest(dirty_rate=MIB)
    assert guest.migrate(Policy()).path == ["pre-copy"]
    assert guest.orders == []


def test_a_busy_guest_gets_the_limit_it_needs_and_no_more() -> None:
    guest = Guest(dirty_rate=2 * GIB, working_set=4 * MIB)
    guest.migrate(Policy(max_downtime=300))
    [limit] = guest.limits
    assert 4 <= limit <= 12  # 2 to 4 MiB at 500 MiB a second


@pytest.mark.parametrize("max_downtime", [25, 50, 300])
def test_the_limit_stays_within_the_budget(max_downtime: int) -> None:
    guest = Guest(dirty_rate=2 * GIB, working_set=512 * MIB)
    guest.migrate(Policy(max_downtime=max_downtime))
    assert max(guest.limits) + OVERHEAD <= max_downtime


def test_a_stall_is_recognised_in_ten_seconds_and_called_off_with_the_reason() -> None:
    guest = Guest(dirty_rate=2 * GIB, working_set=512 * MIB)
    controller = guest.migrate(Policy())
    at, order = guest.orders[-1]
    assert isinstance(order, Abort)
    assert at < 512 / 500 + 10
    assert "changing 2.0 GiB a second" in order.reason
    assert "50 ms are allowed" in order.reason
    assert "post_copy: fallback" in order.reason
    assert controller.path[-1] == "aborted"


def test_a_stall_goes_on_as_post_copy_where_that_is_allowed() -> None:
    guest = Guest(dirty_rate=2 * GIB, working_set=512 * MIB)
    assert guest.migrate(Policy(post_copy=True)).path[-1] == "post-copy"
    assert isinstance(guest.orders[-1][1], PostCopy)


def test_a_guest_that_is_being_slowed_down_gets_its_time() -> None:
    guest = Guest(dirty_rate=900 * MIB, working_set=256 * MIB, throttled=True)
    controller = guest.migrate(Policy())
    assert not [order for _at, order in guest.orders if isinstance(order, Abort)]
    assert sum(word.startswith("slowed by") for word in controller.path) == 1


@pytest.mark.parametrize("auto_converge", [False, True])
def test_a_pass_that_takes_long_is_no_stall_when_it_is_shorter_than_the_one_before(auto_converge: bool) -> None:
    guest = Guest(memory=16 * GIB, working_set=16 * GIB, dirty_rate=60 * MIB, rate=200 * MIB)
    assert guest.migrate(Policy(auto_converge=auto_converge)).path == ["pre-copy"]
    assert guest.orders == []


@pytest.mark.parametrize("auto_converge", [False, True])
@pytest.mark.parametrize("dirty_rate", [150, 170])
def test_passes_that_get_shorter_by_little_get_their_time(dirty_rate: int, auto_converge: bool) -> None:
    guest = Guest(memory=16 * GIB, working_set=16 * GIB, dirty_rate=dirty_rate * MIB, rate=200 * MIB)
    guest.migrate(Policy(auto_converge=auto_converge), 700)
    assert not [order for _at, order in guest.orders if isinstance(order, Abort)]


def test_a_slow_wire_makes_long_passes_as_well() -> None:
    guest = Guest(memory=8 * GIB, working_set=8 * GIB, dirty_rate=30 * MIB, rate=95 * MIB)
    assert guest.migrate(Policy()).path == ["pre-copy"]


def test_long_passes_that_get_no_shorter_are_a_stall_within_ten_seconds() -> None:
    guest = Guest(memory=16 * GIB, working_set=16 * GIB, dirty_rate=GIB, rate=200 * MIB)
    guest.migrate(Policy(auto_converge=False))
    at, order = guest.orders[-1]
    assert isinstance(order, Abort)
    assert at < 16 * GIB / (200 * MIB) + 10


def test_a_guest_that_may_be_slowed_down_is_not_given_up_before_that_can_begin() -> None:
    guest = Guest(memory=16 * GIB, working_set=16 * GIB, dirty_rate=300 * MIB, rate=200 * MIB, throttled=True)
    controller = guest.migrate(Policy(), 600)
    assert not [order for _at, order in guest.orders if isinstance(order, Abort)]
    assert sum(word.startswith("slowed by") for word in controller.path) == 1


def test_one_that_is_not_slowed_down_although_it_may_be_is_given_up_soon_after() -> None:
    guest = Guest(memory=16 * GIB, working_set=16 * GIB, dirty_rate=GIB, rate=200 * MIB)
    guest.migrate(Policy())
    at, order = guest.orders[-1]
    assert isinstance(order, Abort)
    assert at < 16 * GIB / (200 * MIB) + 12


def test_nothing_is_decided_in_the_first_pass_however_long_it_takes() -> None:
    guest = Guest(memory=32 * GIB, dirty_rate=MIB)
    guest.migrate(Policy())
    assert guest.orders == []


def test_the_time_limit_holds_in_the_first_pass_too() -> None:
    guest = Guest(memory=32 * GIB)
    guest.migrate(Policy(timeout=5))
    at, order = guest.orders[-1]
    assert isinstance(order, Abort)
    assert 5 <= at < 6
    assert "after 5 s" in order.reason


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


def test_stalls_are_told_within_ten_seconds() -> None:
    assert STALL + TICK < 10
