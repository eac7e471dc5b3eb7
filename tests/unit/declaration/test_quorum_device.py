# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A quorum device as the inventory declares it, and corosync.conf with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.corosync_conf import from_file
from ansible_collections.cspp.drover.plugins.module_utils.declaration.quorum_device import quorum_device
from ansible_collections.cspp.drover.plugins.module_utils.declaration.timing import timing

TEMPLATE = Path(__file__).resolve().parents[3] / "roles/cluster/templates/corosync.conf.j2"


def host(name: str, address: str = "", **more: Any) -> dict[str, Any]:
    return {"inventory_hostname": name, "ansible_host": address, **more}


NODES = [host(f"node{number}", f"192.0.2.{number}") for number in range(1, 5)]
JUDGE = host("judge", "192.0.2.50")


@pytest.mark.parametrize(("size", "votes"), [(2, True), (3, False), (4, True)])
def test_an_even_number_of_nodes_has_its_vote(size: int, votes: bool) -> None:
    found = quorum_device(NODES[:size], [JUDGE])
    assert (found["host"], found["address"], found["votes"], found["problems"]) == ("judge", "192.0.2.50", votes, [])
    assert bool(found["notes"]) is not votes
    # Who is settled to be a member counts, not who is in the inventory.
    assert quorum_device(NODES[:3], [JUDGE], NODES[:size])["votes"] is votes


def test_without_a_host_there_is_none() -> None:
    found = quorum_device(NODES[:3], [])
    assert found == {"host": "", "address": "", "votes": False, "problems": [], "notes": []}


def test_nodes_may_reach_it_by_an_address_of_its_own() -> None:
    assert quorum_device(NODES[:2], [{**JUDGE, "qnetd_address": "198.51.100.7"}])["address"] == "198.51.100.7"


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ([JUDGE, host("other", "192.0.2.51")], "2 hosts (judge, other)"),
        ([NODES[0]], "node1 is in group qnetd and is a node"),
        ([host("judge", "192.0.2.2")], "has the address of node2"),
        ([host("judge", "192.0.2.50", qnetd_address="192.0.2.2")], "has the address of node2"),
        ([host("judge")], "has no address"),
    ],
)
def test_what_could_not_judge_is_refused(hosts: list[dict[str, Any]], words: str) -> None:
    found = quorum_device(NODES[:2], hosts)
    assert any(words in problem for problem in found["problems"])
    assert not found["votes"]


@pytest.mark.parametrize(
    ("size", "hosts", "quorum"),
    [
        (2, [], {"two_node": "1"}),
        (3, [JUDGE], {}),
        (
            2,
            [JUDGE],
            {
                "device.model": "net",
                "device.votes": "1",
                "device.timeout": "1833",
                "device.sync_timeout": "5499",
                "device.net.host": "192.0.2.50",
                "device.net.algorithm": "ffsplit",
                "device.net.tls": "required",
            },
        ),
    ],
)
def test_corosync_is_told(size: int, hosts: list[dict[str, Any]], quorum: dict[str, str]) -> None:
    device = quorum_device(NODES[:size], hosts)
    members = [{"name": node["inventory_hostname"], "id": 1, "links": [node["ansible_host"]]} for node in NODES[:size]]
    variables = {
        "cluster_name": "it",
        "cluster_qdevice": device,
        "__cluster_members": members,
        "__cluster_timing": timing("safe", {}, hosts=NODES[:size], arbiter=device["votes"]),
    }
    text = jinja2.Environment(trim_blocks=True).from_string(TEMPLATE.read_text()).render(variables)
    found = {key.removeprefix("quorum."): value for key, value in from_file(text).items() if key.startswith("quorum.")}
    assert found == {"provider": "corosync_votequorum", **quorum}
