# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The placement policy: the same for one guest that moves and for all that leave a node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Colocation, Location
from ansible_collections.cspp.drover.plugins.module_utils.planning.targets import assign, choose
from ansible_collections.cspp.drover.plugins.module_utils.preflight.cluster_checks import COMPANY, ClusterChecks
from ansible_collections.cspp.drover.plugins.module_utils.preflight.reasons import Finding
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, live, node, primitive, status

GIB = 2**30
SILENT = Finding("node_silent", "it does not answer", "look there")


def small(name: str) -> Any:
    return primitive(name, memory=GIB // 4, vcpus=1)


def wish(name: str, where: str, score: int = 100) -> Location:
    return Location(f"drover-prefer-{name}.{where}", name, where, str(score))


def bond(kind: str, name: str, other: str) -> Colocation:
    return Colocation(f"drover-{kind}-{name}.{other}", name, other, "-5000" if kind == "apart" else "5000")


#: One guest of 2 GiB leaves n1; the others stay.
@pytest.mark.parametrize(
    ("others", "constraints", "seen", "target"),
    [
        ({}, [], {}, "n2"),
        ({"web": "n2"}, [], {}, "n3"),
        ({}, [wish("mc", "n3")], {}, "n3"),
        ({}, [wish("mc", "n2", 90), wish("mc", "n3", 100)], {}, "n3"),
        ({}, [wish("mc", "n3")], {"n3": [SILENT]}, "n2"),
        # Somebody gave it to another guest.
        ({}, [replace(wish("mc", "n3"), resource="a")], {}, "n2"),
        ({"web": "n2"}, [bond("apart", "mc", "web"), wish("mc", "n2")], {}, "n3"),
        ({"web": "n2"}, [bond("apart", "web", "mc"), wish("mc", "n2")], {}, "n3"),
        ({"web": "n3"}, [bond("together", "web", "mc")], {}, "n3"),
        ({"a": "n2", "b": "n3"}, [bond("apart", "mc", "a"), bond("apart", "b", "mc")], {}, None),
        ({}, [], {"n2": [SILENT], "n3": [SILENT]}, None),
    ],
)
def test_where_one_guest_goes(others: dict[str, str], constraints: list[Any], seen: Any, target: str | None) -> None:
    objects = live(primitive(), *(small(name) for name in others), *constraints)
    places = status(guest("mc", "n1"), *(guest(name, where) for name, where in others.items()))
    choice = choose("mc", "n1", ClusterChecks(objects, places), seen)
    assert choice.target == target
    assert (target is None) == (set(choice.blocked) == {"n2", "n3"})


#: These leave n1 together, each of so many GiB; "other" is on n2 with 2, and a node has 4.
@pytest.mark.parametrize(
    ("sizes", "constraints", "targets"),
    [
        ({"small": 1, "large": 3, "huge": 9}, [], {"huge": None, "large": "n3", "small": "n2"}),
        ({"a": 1, "b": 1}, [], {"a": "n3", "b": "n3"}),
        ({"a": 1, "b": 1}, [bond("apart", "a", "b")], {"a": "n3", "b": "n2"}),
        ({"a": 1, "b": 1}, [bond("together", "b", "a"), wish("a", "n2")], {"a": "n2", "b": "n2"}),
        ({"a": 1}, [bond("apart", "a", "other")], {"a": "n3"}),
        ({"a": 1, "b": 4}, [bond("apart", "other", "a")], {"a": "n2", "b": "n3"}),
    ],
    ids=[
        "the largest first",
        "most memory",
        "apart",
        "together",
        "apart from one that stays",
        "a wish gives way",
    ],
)
def test_where_all_go_that_leave_a_node(
    sizes: dict[str, int], constraints: list[Any], targets: dict[str, str | None]
) -> None:
    guests = [primitive(name, memory=size * GIB, vcpus=1) for name, size in sizes.items()]
    objects = live(*guests, primitive("other", memory=2 * GIB, vcpus=1), *constraints)
    places = status(*(guest(name, "n1") for name in sizes), guest("other", "n2"))
    choices = assign(list(sizes), "n1", ClusterChecks(objects, places), {}, COMPANY)
    assert {name: choice.target for name, choice in choices.items()} == targets


def test_why_nobody_can_take_it_is_said_of_each_node() -> None:
    alone = status(guest("mc", "n1"), nodes=(node("n1"),))
    assert choose("mc", "n1", ClusterChecks(live(primitive()), alone), {}).why_not() == "there is no other node"
    away = status(guest("mc", "n1"), nodes=(node("n1"), node("n2", standby=True), node("n3")))
    said = choose("mc", "n1", ClusterChecks(live(primitive()), away), {"n3": [SILENT]}).why_not()
    assert said.startswith("n2: it is in maintenance (node_in_maintenance); end that with")
    assert said.endswith("; n3: it does not answer (node_silent); look there")


def test_who_chose_before_counts_on_a_node_that_has_not_said_what_it_has() -> None:
    checks = ClusterChecks(live(primitive()), status(guest("mc", "n1")))
    checks.place("mc", "n9")
    assert checks.memory_left("n9") == -2048
