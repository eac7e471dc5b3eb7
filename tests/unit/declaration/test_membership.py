# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is a member: the inventory beside what the nodes know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.declaration.membership import judge


def member(number: int, name: str = "", network: str = "10.0.0") -> dict[str, Any]:
    address = f"{network}.{number}"
    return {"name": name or f"node{number}", "id": number, "links": [address], "address": address}


def listed(*members: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("name", "id", "links")} for one in members]


def knows(*members: dict[str, Any], running: bool = True, quorate: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "running": listed(*members) if running else [],
        "quorate": running and quorate,
        "file": listed(*members),
        "addresses": {one["name"]: one["address"] for one in members},
        "host_keys": {one["name"]: [f"ssh-ed25519 {one['name']}"] for one in members},
        **more,
    }


BARE: dict[str, Any] = {"running": [], "quorate": False, "file": [], "addresses": {}, "host_keys": {}}
#: As Debian's package leaves corosync: it runs, with quorum, alone.
STOCK = knows({"name": "node1", "id": 1, "links": ["127.0.0.1"], "address": "127.0.0.1"}, addresses={}, host_keys={})
ONE, TWO, THREE, FOUR = (member(number) for number in (1, 2, 3, 4))
ALL = knows(ONE, TWO, THREE)
CLUSTER = {"node1": ALL, "node2": ALL, "node3": ALL}


@pytest.mark.parametrize(
    ("inventory", "seen", "members", "strays", "joining"),
    [
        ([ONE, TWO], {"node1": BARE, "node2": BARE}, "node1 node2", "", "node1 node2"),
        # A first run that ended between the installation of corosync and its configuration, and a node that joins so.
        ([FOUR, TWO], {"node4": STOCK, "node2": STOCK}, "node2 node4", "", "node4 node2"),
        ([FOUR, ONE, TWO, THREE], {"node4": STOCK, **CLUSTER}, "node1 node2 node3 node4", "", "node4"),
        ([ONE, TWO, THREE], CLUSTER, "node1 node2 node3", "", ""),
        ([FOUR, ONE, TWO, THREE], {"node4": BARE, **CLUSTER}, "node1 node2 node3 node4", "", "node4"),
        ([ONE, TWO], {"node1": ALL, "node2": ALL}, "node1 node2 node3", "node3", ""),
        # A cluster that is down is known by its files.
        ([ONE], {"node1": knows(ONE, TWO, running=False)}, "node1 node2", "node2", ""),
        # Who was away knows of a node that has left since.
        (
            [ONE, TWO, FOUR],
            {"node1": knows(ONE, TWO, FOUR), "node4": knows(ONE, TWO, THREE, FOUR, quorate=False)},
            "node1 node2 node4",
            "",
            "",
        ),
        # Reinstalled, and the first of the inventory: it joins as what it was.
        ([ONE, TWO, THREE], {"node1": BARE, "node2": ALL, "node3": ALL}, "node1 node2 node3", "", ""),
        # A run that joins a node was interrupted: some list it already.
        ([ONE, TWO, THREE], {"node1": knows(ONE, TWO), "node3": ALL}, "node1 node2 node3", "", ""),
    ],
    ids=[
        "first run",
        "installed and not configured",
        "added with the package's list",
        "as it is",
        "added in front",
        "not in the inventory",
        "down",
        "away",
        "reinstalled",
        "interrupted",
    ],
)
def test_members_are_those_of_the_inventory_and_those_that_are_members(
    inventory: list[dict[str, Any]], seen: Mapping[str, Any], members: str, strays: str, joining: str
) -> None:
    found = judge(inventory, seen)
    assert found.refusals == []
    assert [one["name"] for one in found.members] == members.split()
    assert (list(found.strays), list(found.joining)) == (strays.split(), joining.split())


def test_what_stays_of_a_stray_is_what_the_cluster_knows_and_what_to_do_is_said() -> None:
    links = {**THREE, "links": ["10.9.0.3", "10.8.0.3"]}
    told = judge([ONE, TWO], {"node1": knows(ONE, TWO, links)}).as_dict()
    assert told["members"][2] == links
    assert told["addresses"] == {"node1": "10.0.0.1", "node2": "10.0.0.2", "node3": "10.0.0.3"}
    assert told["host_keys"]["node3"] == ["ssh-ed25519 node3"]
    [note] = told["notes"]
    assert "node3 is in the cluster and not in the inventory" in note and "node_remove.yml -e node=node3" in note


def test_when_a_node_leaves_nobody_joins() -> None:
    found = judge([ONE, TWO, THREE, FOUR], {**CLUSTER, "node4": BARE}, ["node2"])
    assert [one["name"] for one in found.members] == ["node1", "node3"]
    # Taken out of the inventory first.
    assert judge([ONE, THREE], {"node1": ALL, "node3": ALL}, ["node2"]).as_dict()["strays"] == []


@pytest.mark.parametrize(
    ("inventory", "words"),
    [
        (
            [ONE, TWO, member(3, "db")],
            ["db has the address of node3", "node_remove.yml -e node=node3", "keeps its name"],
        ),
        ([ONE, TWO, member(9, "node3")], ["10.0.0.9 in the inventory", "10.0.0.3 in the cluster", "keeps its address"]),
        # Another network, and the same number.
        ([ONE, TWO, member(3, network="10.0.9")], ["10.0.9.3 in the inventory", "keeps its address"]),
        ([ONE, member(3, "node2"), member(2, "node3")], ["node2 has the address 10.0.0.3"]),
    ],
    ids=["renamed", "other address", "other network", "swapped"],
)
def test_a_member_keeps_its_name_and_its_address(inventory: list[dict[str, Any]], words: list[str]) -> None:
    found = judge(inventory, CLUSTER)
    for word in words:
        assert word in found.refusals[0]
    # As well where another node is to leave.
    assert judge(inventory, CLUSTER, ["node1"]).refusals


def test_two_nodes_never_have_one_number() -> None:
    other = {**member(3, "node8", "10.0.9")}
    [refusal] = judge([ONE, TWO, THREE, other], CLUSTER).refusals
    assert "the number 3 both" in refusal and "give node8 another address" in refusal


def test_nodes_of_two_clusters_are_not_made_one() -> None:
    theirs = knows(FOUR, member(5))
    [refusal] = judge([ONE, TWO, THREE, FOUR], {**CLUSTER, "node4": theirs}).refusals
    assert "different clusters (node1, node2, node3; node4, node5)" in refusal


@pytest.mark.parametrize(
    ("up", "members", "new", "words"),
    [
        (3, 3, 2, ""),
        (3, 3, 3, "3 of 6 votes are no quorum, 4 are needed.*Add 2 at most in one run"),
        (3, 3, 9, "3 of 12 votes.*Add 2 at most"),
        (2, 2, 1, ""),
        (2, 2, 2, "2 of 4 votes are no quorum, 3 are needed.*Add 1 at most"),
        (1, 1, 1, ""),
        (1, 1, 2, "Add 1 at most"),
        # One is away.
        (2, 3, 1, "2 of 4 votes are no quorum, 3 are needed.*Bring back the members that are away first"),
        (3, 4, 1, ""),
        # The first run, and a cluster that has no quorum to lose.
        (0, 0, 12, ""),
        (0, 3, 12, ""),
    ],
)
def test_no_more_join_at_once_than_the_members_keep_quorum_with(up: int, members: int, new: int, words: str) -> None:
    inventory = [member(number) for number in range(1, members + new + 1)]
    known = knows(*inventory[:members], running=up > 0)
    seen = {one["name"]: known if place < up else BARE for place, one in enumerate(inventory)}
    if members and not up:
        seen["node1"] = knows(*inventory[:members], running=False)
    found = judge(inventory, seen)
    assert len(found.joining) == new
    if words:
        assert re.search(words, found.refusals[0])
    else:
        assert found.refusals == []
    # Whoever is listed already counts already: a run that was interrupted is finished.
    assert judge(inventory, {"node1": knows(*inventory)}).refusals == []
