# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether guests can be placed as wished."""

from __future__ import annotations

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.model import Guest, Placement
from ansible_collections.cspp.drover.plugins.module_utils.placement import Node, impossibilities, worries
from ansible_collections.cspp.drover.plugins.module_utils.units import GIB

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
