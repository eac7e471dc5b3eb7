# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Pin, Primitive
from ansible_collections.cspp.drover.plugins.module_utils.cluster.recovery import Failures
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import (
    ClusterStatus,
    FenceEvent,
    NodeStatus,
    ResourceStatus,
)
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import failed_too_often, stopped
from ansible_collections.cspp.drover.plugins.module_utils.reporting.status import gathered, overview, table
from ansible_collections.cspp.drover.tests.unit.cluster_samples import (
    failure,
    guest,
    live,
    moving,
    node,
    primitive,
    status,
)

WEB = primitive("web", kind="container", nics=[{"addresses": ["10.0.0.21/24", "fd00::21/64"]}])


def test_a_healthy_cluster_as_a_table() -> None:
    objects = (primitive(), WEB, Pin("drover-pin-web", "web", "n3"), Location("drover-home-mc", "mc", "n2", "INFINITY"))
    seen = status(guest("mc", "n1"), guest("web", "n3"), nodes=(node("n1"), node("n2", standby=True), node("n3")))
    assert table(overview(live(*objects), seen)) == [
        "Cluster: leader n1, quorum, fencing on",
        "",
        "NODE  STATE        GUESTS  MEMORY              VCPUS",
        "n1    online       1       2.0 GiB of 4.0 GiB  2 of 4",
        "n2    maintenance  0       0.0 GiB of 4.0 GiB  0 of 4",
        "n3    online       1       2.0 GiB of 4.0 GiB  2 of 4",
        "",
        "GUEST  KIND       STATE    NODE  HA            ADDRESS",
        "mc     vm         running  n1    yes, home n2  -",
        "web    container  running  n3    no            10.0.0.21, fd00::21",
    ]


def test_what_guests_are_for_is_told_where_it_is_known() -> None:
    mail = primitive("mail", description="The society's mail")
    lines = table(overview(live(mail, WEB), status(guest("mail", "n1"), guest("web", "n3"))))
    assert [line.split("  ")[-1] for line in lines[-3:]] == ["DESCRIPTION", "The society's mail", "10.0.0.21, fd00::21"]


def test_the_levels_of_fencing_are_told_where_a_node_has_several() -> None:
    devices = (guest("drover-sbd-n1", "n2"), guest("drover-fence-n1"), guest("drover-fence-n2", "n1"))
    seen = overview(live(), status(*devices))
    assert [(level["level"], level["by"], level["works"]) for level in seen["nodes"][0]["fencing"]] == [
        (1, "power controller", False),
        (2, "SBD", True),
    ]
    ends = [line.partition("of 4  ")[2] for line in table(seen)[3:6]]
    assert ends == ["1 power controller (DOWN), 2 SBD", "1 power controller", "-"]
    assert "FENCING" in table(seen)[2]
    assert [problem for problem in seen["problems"] if "n1" in problem and "slot" in problem] == []


STOPPED = Primitive(**{**vars(primitive()), "meta": {"target-role": "Stopped"}})
DECLARED = Primitive(**{**vars(primitive()), "meta": stopped("declared")})
FAILED = Primitive(**{**vars(primitive()), "meta": failed_too_often({"n1": 4})})
ITSELF = Primitive(**{**vars(primitive()), "meta": stopped("itself")})
UNFENCED = FenceEvent("n1", "reboot", "failed", "n2", "12:02")
UNMANAGED = Primitive(**{**vars(primitive()), "meta": {"maintenance": "true"}})


@pytest.mark.parametrize(
    ("resource", "seen", "problem"),
    [
        (primitive(), {"quorum": False}, "there is no quorum"),
        (primitive(), {"fencing": False}, "fencing is off"),
        (primitive(), {"nodes": (node("n1", online=False, unclean=True),)}, "node n1 is unclean"),
        (
            primitive(),
            {"nodes": (node("n1", maintenance=True),)},
            "node n1 is unmanaged (attribute",
        ),
        (primitive(), {"resources": (guest("mc"),)}, "guest mc is stopped"),
        (FAILED, {"resources": (guest("mc"),)}, "guest mc failed too often, and stays down (4 times on n1); to start"),
        (STOPPED, {"resources": (guest("mc"),)}, "guest mc was stopped by hand; to start it: ansible-playbook"),
        (DECLARED, {"resources": (guest("mc", "n1"),)}, "guest mc is declared to be stopped, but is running on n1"),
        (primitive(), {"nodes": (node("n1", online=False, unclean=True),)}, "guest mc was on n1, and nobody knows"),
        (
            primitive(),
            {"nodes": (node("n1", online=False, unclean=True),), "fence_events": (UNFENCED,)},
            "n1 is lost, and since 12:02 nobody can confirm that it is off",
        ),
        (UNMANAGED, {}, "guest mc is unmanaged"),
        (primitive(), {"resources": (guest("drover-fence-n1"),)}, "n1 cannot be fenced at the moment: its power"),
        (
            primitive(),
            {
                "resources": (guest("drover-fence-n1", "n2", pending="Starting"),),
                "failures": (failure("start", "drover-fence-n1"),),
            },
            "n1 cannot be fenced at the moment",
        ),
        (
            primitive(),
            {"resources": (guest("drover-fence-n1"), guest("drover-sbd-n1", "n2"))},
            "n1: its power controller does not answer; it is tried again each minute, and until then n1 would be "
            "fenced by its SBD",
        ),
        (
            primitive(),
            {"resources": (guest("drover-fence-n1", "n2"), guest("drover-sbd-n1", failed=True))},
            "n1: no other node can read its slot on SBD's disk; it is tried again each minute",
        ),
        (
            primitive(),
            {"resources": (guest("drover-sbd-n1"), guest("drover-fence-n1"))},
            "n1 cannot be fenced at the moment: its power controller does not answer and no other node can read its",
        ),
        (primitive(), {"failures": (failure("start"),)}, "start of mc failed on n1: no disk"),
    ],
)
def test_problems_are_named(resource: Primitive, seen: dict[str, Any], problem: str) -> None:
    usual = {**vars(status(guest("mc", "n1"))), **seen}
    found = overview(live(resource), ClusterStatus(**usual))["problems"]
    assert [text for text in found if text.startswith(problem)]


@pytest.mark.parametrize(
    ("resource", "nodes", "seen", "state"),
    [
        (primitive(), (node("n1"),), guest("mc", "n1"), "running"),
        (primitive(), (node("n1", online=False, unclean=True),), guest("mc", "n1"), "not known"),
        (primitive(), (node("n1", online=False),), guest("mc", "n1"), "not known"),
        (primitive(), (node("n1"),), guest("mc"), "stopped"),
        (DECLARED, (node("n1"),), guest("mc"), "stopped (declared)"),
        (ITSELF, (node("n1"),), guest("mc"), "stopped by itself"),
        (STOPPED, (node("n1"),), guest("mc"), "stopped by hand"),
        (DECLARED, (node("n1"),), guest("mc", "n1"), "running"),
        (DECLARED, (node("n1"),), guest("mc", "n1", failed=True, blocked=True), "failed, blocked"),
    ],
)
def test_states_are_what_is_known(
    resource: Primitive, nodes: tuple[NodeStatus, ...], seen: ResourceStatus, state: str
) -> None:
    assert overview(live(resource), status(seen, nodes=nodes))["guests"][0]["state"] == state


@pytest.mark.parametrize("resource", [DECLARED, ITSELF])
def test_a_guest_that_stays_down_as_it_should_is_no_problem(resource: Primitive) -> None:
    assert overview(live(resource), status(guest("mc")))["problems"] == []


def test_no_problem_is_no_news() -> None:
    assert overview(live(primitive()), status(guest("mc", "n1")))["problems"] == []


def test_a_member_that_the_inventory_lacks_is_a_problem_and_what_to_do_is_said() -> None:
    seen = status(guest("mc", "n1"))
    found = overview(live(primitive()), seen, ["n1", "n2"])
    assert list(found["strays"]) == ["n3"]
    assert "node n3 is in the cluster and not in the inventory" in found["problems"][0]
    assert "playbooks/node_remove.yml -e node=n3" in found["problems"][0]
    # Who has no inventory knows of no stray.
    assert overview(live(primitive()), seen)["strays"] == {}


@pytest.mark.parametrize(
    ("since", "words"),
    [("2026-11-29 01:00:00", "paused since 2026-11-29 01:00:00:"), ("", "paused by hand (property maintenance-mode):")],
)
def test_a_paused_cluster_says_so_first(since: str, words: str) -> None:
    properties = {"maintenance-mode": "true", **({"drover-paused-since": since} if since else {})}
    seen = overview(replace(live(primitive()), properties=properties), status(guest("mc", "n1"), maintenance=True))
    assert table(seen)[0] == "Cluster: leader n1, quorum, fencing on, HA PAUSED"
    assert words in seen["problems"][0]


def test_failures_of_late_are_counted_for_all_to_see() -> None:
    counted = {"mc": {"n1": Failures(running=2), "n2": Failures(running=5), "n3": Failures(not_started=True)}}
    seen = overview(replace(live(primitive()), failures=counted), status(guest("mc", "n1")))
    assert seen["guests"][0]["failures"] == {"n1": 2, "n2": 5}
    assert seen["problems"] == [
        "guest mc has failed 2 times on n1 of late: if it goes on, it is started again 1 more times there",
        "guest mc has failed 5 times on n2 of late: if it goes on, it is not started there again",
    ]


def test_a_disk_on_its_way_to_another_pool_is_told() -> None:
    [problem] = overview(live(moving()), status(guest("mc", "n1")))["problems"]
    assert problem.startswith("guest mc has vda on the way to another pool")
    assert problem.endswith("playbooks/guests.yml -e guests_move_disks=mc")


TOLD = {"cluster": {"quorum": True}, "nodes": [], "guests": [], "paused": "", "moves": [], "fence_events": []}


def answer(member: bool, *problems: str, **more: Any) -> dict[str, Any]:
    return {"member": member, "reason": "", **TOLD, "table": ["Cluster", *problems], "problems": [*problems], **more}


def test_of_those_that_can_tell_one_with_quorum_speaks_for_all() -> None:
    seen = gathered(
        {
            "n1": answer(False, "there is no quorum"),
            "n2": answer(
                True, waiting=["mc waits"], node_problems=["n2: its certificate ends"], unproven=["n3 unproven"]
            ),
            "n3": {
                "member": False,
                "reason": "corosync does not run",
                "node_problems": [],
                "filtered": ["n3: dropped"],
            },
            "n4": {},
        }
    )
    assert seen["told"]
    assert seen["document"] == {
        **TOLD,
        "served_by": "n2",
        "silent": {"n3": "corosync does not run", "n4": "it does not answer"},
        "problems": ["n2: its certificate ends"],
        "reminders": ["mc waits", "n3 unproven", "n3: dropped"],
    }
    assert seen["lines"] == ["Cluster", "! n2: its certificate ends", "~ mc waits", "~ n3 unproven", "~ n3: dropped"]


def test_where_nobody_can_tell_each_node_has_its_cause() -> None:
    seen = gathered({"n1": {"member": False, "reason": "no corosync"}, "n2": {"msg": "timed out", "unreachable": True}})
    assert not seen["told"]
    assert seen["causes"] == {"n1": "no corosync", "n2": "timed out"}
