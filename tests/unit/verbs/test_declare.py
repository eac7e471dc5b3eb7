# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a declaration that was carried out, beside what a cluster has made of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.stopped import stopped, stopped_by
from ansible_collections.cspp.drover.plugins.modules import guest_start, guests
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import CIB, STATUS, FakeCluster, transcript

MC = guest_of(read(CIB).primitives["mc"]) or {}
ASKED = {"name": "mc", "definition": MC, "ha": {"priority": 10}, "prefer": ["n2", "n1"], "apart_from": ["web"]}
GROWN = {**ASKED, "definition": {**MC, "vcpus": 2}}
GONE = {"name": "mc", "state": "absent"}
UP = 'id="mc" resource_agent="ocf:drover:vm" role="Started" active="true"'
DOWN = STATUS.replace(UP, 'id="mc" resource_agent="ocf:drover:vm" role="Stopped" active="false"').replace(
    '<node name="n2" id="2" cached="true"/>', ""
)
FAILED = transcript("crm_mon-migration-failed")
RESTART = '<rsc_action action="restart" resource="mc" source="n2" reason="resource definition change"/>'


def predicting(*actions: str, agent: str = "vm", **how: Any) -> FakeCluster:
    """A cluster whose scheduler decides so of any change."""
    cluster = FakeCluster("restart", **how)
    cluster.predicted = cluster.predicted.replace(RESTART, "".join(f"<rsc_action {action}/>" for action in actions))
    if agent != "vm":
        cluster.predicted = cluster.predicted.replace("ocf:drover:vm", f"ocf:drover:{agent}")
    return cluster


STOP = 'action="stop" resource="mc" node="n2" reason="node availability"'
MIGRATE = 'action="migrate" resource="mc" source="n2" dest="n3"'
RELOAD = 'action="reload" resource="mc" node="n2" reason="resource definition change"'


@pytest.mark.parametrize(
    ("asked", "cluster", "said"),
    [
        ({**ASKED, "state": "stopped"}, predicting(STOP), ["mc: stop on n2 (declared to be stopped)"]),
        (GONE, predicting(STOP), ["mc: stopped on n2 and removed, its disks stay"]),
        ({**GONE, "remove_disks": True}, predicting(STOP), ["mc: stopped on n2 and removed, and its disks with it"]),
        (GONE, predicting(statuses=(DOWN,)), ["mc: removed, its disks stay"]),
        (GROWN, predicting(MIGRATE), ["mc: migrate live n2 -> n3"]),
        (GROWN, predicting(MIGRATE, agent="container"), ["mc: move by a restart n2 -> n3"]),
        (GROWN, predicting(RELOAD), ["mc: change live what can be on n2"]),
        ({"name": "nobody", "state": "absent"}, predicting(), []),
    ],
)
def test_what_the_cluster_does_is_said_in_the_words_of_who_asked(
    asked: dict[str, Any], cluster: FakeCluster, said: list[str], call: Call, on: Any
) -> None:
    on(guests, cluster)
    assert call(guests, check=True, guests=[asked])["plan"] == said


@pytest.mark.parametrize(
    ("cluster", "permitted", "waits"),
    [
        (predicting(RELOAD), [], True),
        (predicting(RESTART.removeprefix("<rsc_action ").removesuffix("/>")), ["mc"], False),
        # Permitted, and yet the cluster does not do it: it may have its hands off.
        (predicting(), ["mc"], True),
        (predicting(RELOAD), ["mc"], True),
        (predicting(MIGRATE), ["mc"], True),
        (predicting(MIGRATE, agent="container"), ["mc"], False),
    ],
)
def test_a_change_waits_until_its_guest_begins_anew(
    cluster: FakeCluster, permitted: list[str], waits: bool, call: Call, on: Any
) -> None:
    on(guests, cluster)
    result = call(guests, check=True, guests=[GROWN], restart_needed=["mc"], allow_restart=permitted)
    assert result["guests"]["mc"]["pending_restart"] is waits


@pytest.mark.parametrize(
    ("agent", "actions", "words"),
    [
        ("vm", (), "mc: put in order after a failed migration, without a restart"),
        ("container", (), "mc: put in order after a failed migration"),
        ("vm", ('action="recover" resource="mc" source="n2" dest="n3"',), "mc: put in order after a failed migration"),
    ],
)
def test_without_a_restart_is_said_of_what_had_none(
    agent: str, actions: tuple[str, ...], words: str, call: Call, on: Any
) -> None:
    seen = FAILED.replace("ocf:drover:vm", f"ocf:drover:{agent}")
    on(guests, predicting(*actions, statuses=(seen,), cib=transcript("cib-migration-failed")))
    assert call(guests, check=True, guests=[GROWN], allow_restart=True)["plan"][-1] == words


def test_a_guest_declared_to_be_stopped_is_stopped_unasked_and_no_trouble(call: Call, on: Any) -> None:
    cluster = on(guests, predicting(STOP, statuses=(STATUS, DOWN)))
    result = call(guests, guests=[{**ASKED, "state": "stopped"}])
    assert not result.get("failed"), result["msg"]
    assert (cluster.writes, stopped_by(read(cluster.cib).primitives["mc"])) == (["patch"], "declared")
    assert (result["guests"]["mc"]["state"], result["guests"]["mc"]["node"]) == ("stopped", None)


def test_a_removal_is_told_as_it_was_foretold(call: Call, on: Any) -> None:
    on(guests, predicting(STOP, statuses=(STATUS, DOWN)))
    told = call(guests, check=True, guests=[GONE])
    done = call(guests, guests=[GONE])
    assert told["plan"] == done["plan"] == ["mc: stopped on n2 and removed, its disks stay"]


def test_a_guest_that_is_to_be_stopped_and_is_not_is_a_failure(call: Call, on: Any) -> None:
    on(guests, predicting(STOP, statuses=(STATUS, STATUS)))
    result = call(guests, guests=[{**ASKED, "state": "stopped"}])
    assert result["failed"]
    assert "not all guests are stopped. mc: it is running on n2" in result["msg"]


@pytest.mark.parametrize(
    ("meta", "refusal"),
    [
        (stopped("itself"), ""),
        ({"target-role": "Stopped"}, ""),
        (stopped("declared"), "mc is declared to be stopped; to start it, declare guests.mc with state: present"),
    ],
)
def test_start_starts_what_is_not_declared_to_be_stopped(
    meta: dict[str, str | None], refusal: str, call: Call, on: Any
) -> None:
    cib = reconcile(CIB, Wanted(meta={"mc": meta})).xml
    start = 'action="start" resource="mc" node="n2"'
    cluster = on(guest_start, predicting(start, cib=cib, statuses=(DOWN, STATUS)))
    told = call(guest_start, check=True, guest="mc")
    assert cluster.writes == []
    cluster.statuses = [STATUS]
    result = call(guest_start, guest="mc")
    if refusal:
        assert refusal in result["msg"] and refusal in told["msg"]
        return
    assert told["plan"] == result["plan"] == ["mc: start on n2"]
    assert (result["node"], cluster.writes) == ("n2", ["patch"])
    assert stopped_by(read(cluster.cib).primitives["mc"]) is None
    assert call(guest_start, guest="mc")["plan"] == ["mc runs on n2 already"]


def test_who_is_not_there_is_not_started(call: Call, on: Any) -> None:
    on(guest_start, FakeCluster())
    assert "there is no guest nobody" in call(guest_start, guest="nobody")["msg"]


@pytest.mark.parametrize(
    ("asked", "differing", "waits"),
    [
        # The cluster has told it all before, and the guest has not gone along.
        (ASKED, ["mc"], True),
        (ASKED, [], False),
        # It is about to be told.
        (GROWN, ["mc"], False),
    ],
)
def test_a_guest_that_does_not_go_along_with_a_live_change_waits_for_a_restart(
    asked: dict[str, Any], differing: list[str], waits: bool, call: Call, on: Any
) -> None:
    on(guests, predicting(RELOAD))
    result = call(guests, check=True, guests=[asked], differing=differing)
    assert result["guests"]["mc"]["pending_restart"] is waits
    permitted = call(guests, check=True, guests=[asked], differing=differing, allow_restart=["mc"])
    assert ("resource mc" in str(permitted["objects"])) is (waits or asked is GROWN)
