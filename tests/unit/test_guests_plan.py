# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""cspp.drover.guests_plan: judged once, planned from what was judged."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from ansible.errors import AnsibleError

from ansible_collections.cspp.drover.plugins.action import guests_plan as action
from ansible_collections.cspp.drover.plugins.modules import guests_plan as module

CLUSTER: dict[str, Any] = {
    "nodes": {"node1": {}, "node2": {}},
    "images": {"debian-13": {"container": "rootfs"}},
    "pools": {
        "own": {"type": "directory", "path": "/own", "shared": False},
        "all": {"type": "directory", "path": "/all"},
    },
    "default_pool": "all",
}
WEB = {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13"}}
GUESTS = {"web": WEB, "mail": {**WEB, "rootfs": {"image": "debian-13", "pool": "own"}}}
IMAGES = {"container/debian-13": {"path": "/images/1", "files": {"rootfs": "rootfs.tar"}}}
NODES: dict[str, Any] = {"workers": ["node1", "node2"], "managers": ["node2"]}


def run(**arguments: Any) -> dict[str, Any]:
    """The result of the action with these arguments."""
    task = MagicMock(args=arguments, async_val=0)
    return action.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock()).run(task_vars={})


def test_what_was_judged_is_planned_whatever_happens_to_the_variables() -> None:
    judged = run(guests=GUESTS, cluster=CLUSTER, **NODES)
    assert not judged.get("failed")
    assert judged["manager"] == "node2"
    assert judged["images"] == [{"name": "debian-13", "kind": "container", "guests": ["web", "mail"]}]
    [looked_for] = judged["local"]
    assert looked_for["name"] == "mail"

    nothing: dict[str, Any] = {"held": [], "kept": {}}
    plan = run(declared=judged["declared"], images=IMAGES, seen={"node1": nothing, "node2": nothing})
    # What is shared is the business of the one that tells the cluster.
    assert {node: [volume["path"] for volume in part["volumes"]] for node, part in plan["nodes"].items()} == {
        "node1": ["/own/containers/mail/rootfs"],
        "node2": ["/all/containers/web/rootfs"],
    }
    assert [(resource["name"], resource["home"]) for resource in plan["resources"]] == [
        ("web", None),
        ("mail", "node1"),
    ]


def test_every_problem_is_in_one_refusal() -> None:
    result = run(guests={"web": {**WEB, "memroy": 1}, "Bad": WEB}, cluster=CLUSTER, **NODES)
    assert result["failed"]
    first, *lines = result["msg"].splitlines()
    assert first == "No guest was touched. 2 problem(s) with the guests declared:"
    assert [line.partition(": ")[0] for line in lines] == ["- guests.web.memroy", "- guests.Bad"]


def test_what_cannot_be_planned_is_a_refusal() -> None:
    judged = run(guests={"web": WEB}, cluster=CLUSTER, **NODES)
    result = run(declared=judged["declared"], images={})
    assert result["failed"]
    assert result["msg"].startswith("No guest was touched. image debian-13 for a container was not built")


def test_without_a_cluster_the_first_node_makes_what_is_shared() -> None:
    judged = run(guests={}, cluster=CLUSTER, workers=["node1"], managers=[])
    assert (judged["manager"], judged["declared"]["first"]) == ("", "node1")


@pytest.mark.parametrize(
    "arguments", [{}, {"guests": {}}, {"declared": {}}, {"guests": {}, "cluster": CLUSTER, **NODES, "declared": {}}]
)
def test_a_call_is_one_of_two(arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError):
        run(**arguments)


def test_every_option_is_documented() -> None:
    assert set(yaml.safe_load(module.DOCUMENTATION)["options"]) == set(action._ARGUMENTS)
