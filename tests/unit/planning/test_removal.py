# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against the removal of a node and against its replacement, and what is forgotten with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, NodeSettings, Pin, Primitive
from ansible_collections.cspp.drover.plugins.module_utils.planning import removal, replacement
from ansible_collections.cspp.drover.plugins.module_utils.planning.removal import Standing
from ansible_collections.cspp.drover.tests.unit.cluster_samples import NODES, guest, live, node, primitive, status

DATA = Location("drover-data-mc", "mc", "n1", "5000")
LOCAL = live(primitive(), primitive("web"), DATA)
ON, AWAY = guest("mc", "n1"), guest("mc")
UP = tuple(node(name) for name in NODES)
DOWN = (node("n1", online=False), node("n2"), node("n3"))
FIVE = ("n1", "n2", "n3", "n4", "n5")


def against(
    *guests: Any,
    cluster: Any = None,
    nodes: Any = UP,
    listed: Collection[str] = NODES,
    answering: Collection[str] = NODES,
) -> list[str]:
    known = live(primitive(), primitive("web")) if cluster is None else cluster
    return removal.refusals(Standing("n1", listed, answering), known, status(*guests, nodes=nodes))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({}, ""),
        ({"nodes": DOWN}, ""),
        ({"nodes": DOWN, "answering": ("n2", "n3")}, ""),
        ({"answering": ("n2", "n3")}, "n1 is a running member and does not answer by SSH"),
        ({"answering": ("n1", "n2")}, "n3 is running and does not answer by SSH, and would go on counting n1"),
        # Who is off counts nobody.
        ({"nodes": (node("n1"), node("n2"), node("n3", online=False)), "listed": ("n1", "n2")}, ""),
        (
            {"nodes": (node("n1"), node("n2"), node("n3", online=False))},
            "of 3 votes 2 are needed, and without n1 there would be 1 (n2). Bring back n3 first",
        ),
        (
            {"nodes": (node("n1"), node("n2"), node("n3")), "listed": FIVE},
            "of 5 votes 3 are needed, and without n1 there would be 2 (n2, n3). Bring back n4, n5 first",
        ),
        # It left the list already: the others are counted without it.
        ({"nodes": DOWN, "listed": ("n2", "n3")}, ""),
        ({"nodes": (node("n1"),), "listed": ("n1",)}, "n1 is the only node"),
        ({"nodes": (node("n1"), node("n2")), "listed": ("n1", "n2")}, ""),
        ({"cluster": LOCAL}, ""),
        (
            {"cluster": LOCAL, "nodes": DOWN},
            "the data of mc is on n1's own storage and nowhere else, and the node does not",
        ),
    ],
)
def test_what_speaks_against_it(case: dict[str, Any], words: str) -> None:
    found = against(ON, **case)
    assert words in found[0] if words else found == []


def test_a_guest_that_is_stopped_cannot_take_its_data_along() -> None:
    [found] = against(AWAY, cluster=LOCAL)
    assert "it is not running there" in found and "state: absent" in found


def test_what_binds_guests_to_the_node_goes_and_what_does_not_stays() -> None:
    device = Primitive("drover-fence-n1", "stonith", None, "fence_ipmilan")
    gone = (
        Location("drover-home-mc", "mc", "n1", "INFINITY"),
        Location("drover-prefer-mc.n1", "mc", "n1", "100"),
        Location("drover-fence-n1-elsewhere", "drover-fence-n1", "n1", "-INFINITY"),
        Pin("drover-pin-web", "web", "n1"),
    )
    kept = (Location("drover-prefer-mc.n2", "mc", "n2", "99"), Pin("drover-remove-web", "web", None))
    wanted = removal.forget("n1", live(primitive(), primitive("web"), device, *gone, *kept))
    orders = {f"drover-level-n1-{place}" for place in (1, 2, 3)}
    assert wanted.absent == {"drover-fence-n1", *orders, *(one.id for one in gone)}
    assert (wanted.nodes, wanted.primitives, wanted.constraints) == ((), (), ())


@pytest.mark.parametrize(
    ("nodes", "answers", "blank", "words"),
    [
        (DOWN, True, True, "the data of mc was on n1's own storage, and the disk there is empty now"),
        (DOWN, True, False, ""),
        (UP, True, True, ""),
        (DOWN, False, False, "n1 does not answer by SSH. Install Debian"),
        ((node("n1", online=False, unclean=True), node("n2")), True, False, "stonith_admin --confirm n1"),
        ((node("n2"), node("n3")), True, True, "the cluster has no node n1 to be replaced"),
    ],
)
def test_what_speaks_against_a_replacement(nodes: Any, answers: bool, blank: bool, words: str) -> None:
    found = replacement.refusals("n1", LOCAL, status(AWAY, nodes=nodes), answers=answers, blank=blank)
    assert words in found[0] if words else found == []


def test_the_pools_of_the_old_disk_are_forgotten_before_there_are_new_ones() -> None:
    seen = status(nodes=DOWN)
    assert replacement.forget("n1", seen, blank=True).nodes == (NodeSettings("n1", {"drover-pools": None}),)
    # The old disk in another machine, or a member again.
    assert replacement.forget("n1", seen, blank=False).nodes == ()
    assert replacement.forget("n2", seen, blank=True).nodes == ()
