# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether guests can be placed as wished."""

from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB
from ansible_collections.cspp.drover.plugins.module_utils.declaration.placement import impossibilities, worries
from ansible_collections.cspp.drover.plugins.module_utils.declaration.types import Guest, Node, Placement

NODES = {"node1": Node(8 * GIB, 4), "node2": Node(8 * GIB, 8)}


def herd(*guests: Guest) -> dict[str, Guest]:
    return {guest.name: guest for guest in guests}


@pytest.mark.parametrize(
    ("nodes", "forbidden"),
    [
        (NODES, True),
        ({**NODES, "node3": Node(32 * GIB, 4)}, False),
        ({**NODES, "node3": Node()}, False),  # not asked: it may be large
        ({}, False),
    ],
)
def test_a_guest_has_to_fit_on_some_node(nodes: dict[str, Node], forbidden: bool) -> None:
    assert bool(list(impossibilities(herd(Guest("a", memory=16 * GIB)), nodes))) is forbidden


def test_a_guest_may_fill_a_node() -> None:
    assert list(impossibilities(herd(Guest("a", memory=8 * GIB, vcpus=8)), NODES)) == []


@pytest.mark.parametrize(
    ("memory", "warned"),
    [([4, 4], False), ([4, 5], True)],
)
def test_losing_the_largest_node_is_thought_of(memory: list[int], warned: bool) -> None:
    guests = herd(*(Guest(f"g{index}", memory=size * GIB) for index, size in enumerate(memory)))
    assert bool(list(worries(guests, NODES))) is warned


def test_apart_from_counts_whoever_says_it() -> None:
    guests = herd(
        Guest("a"),
        Guest("b", placement=Placement(apart_from=("a",))),
        Guest("c", placement=Placement(apart_from=("a", "b"))),
    )
    (worry,) = worries(guests, {"node1": Node(), "node2": Node()})
    assert worry.startswith("a, b, c are all to be apart")


def test_those_who_are_together_through_others_cannot_be_apart() -> None:
    guests = herd(
        Guest("a", placement=Placement(together_with=("b",), apart_from=("d", "e"))),
        Guest("b"),
        Guest("c", placement=Placement(together_with=("b", "d"))),
        Guest("d"),
        Guest("e", placement=Placement(apart_from=("d",))),
    )
    assert [(name, at) for name, at, _text in impossibilities(guests, NODES)] == [("a", "placement.apart_from")]


def test_every_crowd_is_told_of_once() -> None:
    def crowd(*names: str) -> list[Guest]:
        return [Guest(name, placement=Placement(apart_from=tuple({*names} - {name}))) for name in names]

    found = [worry.partition(" are all")[0] for worry in worries(herd(*crowd(*"fbd"), *crowd(*"cae")), NODES)]
    assert sorted(found) == ["a, c, e", "b, d, f"]


def test_a_privileged_container_is_named_once() -> None:
    guests = herd(Guest("b", kind="container", privileged=True), Guest("a", privileged=True), Guest("c"))
    assert [worry.partition(" is root on")[0] for worry in worries(guests, {})] == [
        "whoever is root in a, b (privileged)"
    ]


def test_guests_are_judged_before_any_node_is_known() -> None:
    assert list(worries(herd(Guest("a")), {})) == []


def test_the_largest_node_is_named() -> None:
    guests = herd(Guest("a", memory=16 * GIB, vcpus=9))
    assert [text for _name, _at, text in impossibilities(guests, NODES)] == [
        "16GiB is more than any node can give: the largest, node2, has 8GiB",
        "9 is more than any node can give: the largest, node2, has 8",
    ]


def test_a_guest_is_judged_by_what_it_may_come_to_use() -> None:
    guests = herd(Guest("a", memory=GIB, max_memory=16 * GIB, vcpus=1, max_vcpus=9))
    assert [at for _name, at, _text in impossibilities(guests, NODES)] == ["max_memory", "max_vcpus"]
    both = herd(*(Guest(name, memory=GIB, max_memory=5 * GIB) for name in "ab"))
    assert ["may use 10GiB" in worry for worry in worries(both, NODES)] == [True]


def test_wishes_name_nodes_and_guests_that_there_are() -> None:
    guests = herd(
        Guest("a", placement=Placement(prefer=("node9", "node1"), apart_from=("b", "a"), together_with=("nobody",))),
        Guest("b", placement=Placement(apart_from=("nobody",))),
    )
    assert list(impossibilities(guests, NODES)) == [
        ("a", "placement.prefer", "'node9' is not a node: there are node1, node2"),
        ("a", "placement.apart_from", "names the guest itself"),
        ("a", "placement.together_with", "'nobody' is not a guest declared present"),
        ("b", "placement.apart_from", "'nobody' is not a guest declared present"),
    ]
    # Who is not there is in no crowd, and neither is a guest with itself.
    assert [worry.partition(" are all")[0] for worry in worries(guests, {"node1": Node()})] == ["a, b"]
