# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans and operations: the same patch as the module's, carried out once, and finished by whoever is left."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.difference import Difference
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import parse_status
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.planning.forecast import achieved
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.reporting.moves import table
from ansible_collections.cspp.drover.plugins.module_utils.steward import actions, operations
from ansible_collections.cspp.drover.plugins.module_utils.steward.actions import ACTIONS, Action, Watched
from ansible_collections.cspp.drover.plugins.module_utils.steward.records import seconds_of
from ansible_collections.cspp.drover.plugins.modules import guest_migrate, guest_start, guest_stop, node_maintenance
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import (
    APART,
    ARRIVED,
    HOME,
    STANDBY,
    STATUS,
    FakeCluster,
    measured,
)

from .conftest import House

DOWN = reconcile(APART, Wanted(meta={"mc": {"target-role": "Stopped"}})).xml
EMPTIED = reconcile(APART, Wanted(constraints=(HOME,), nodes=(STANDBY,))).xml
#: For each verb: the cluster before it, the action, and the module that does the same, with its arguments.
SAME: dict[str, tuple[str, Action, ModuleType, dict[str, Any]]] = {
    "start": (DOWN, Action("start", "mc"), guest_start, {"guest": "mc"}),
    "stop": (APART, Action("stop", "mc"), guest_stop, {"guest": "mc"}),
    "migrate": (APART, Action("migrate", "mc", "n3"), guest_migrate, {"guest": "mc", "to": "n3"}),
    "drain": (APART, Action("drain", "n2"), node_maintenance, {"node": "n2", "state": "on"}),
    "return": (EMPTIED, Action("return", "n2"), node_maintenance, {"node": "n2", "state": "off"}),
}


def test_there_is_a_module_for_every_verb() -> None:
    # An edit is what module guests does of a guest, told in another way: tests/unit/verbs/test_edit.py.
    assert set(SAME) | {"edit", "release", "create"} == set(ACTIONS)


@pytest.mark.parametrize("verb", SAME)
def test_the_patch_is_the_modules(
    verb: str, house: House, call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cib, action, module, arguments = SAME[verb]
    told = call_module(call, on, module, cib, arguments)
    assert told["changed"]
    house.cluster.cib = house.cluster.patched = cib
    asked = {"action": verb, "subject": action.subject, "target": action.target}
    plan = house.ask("plan", house.session("operator"), **asked)["plan"]
    assert plan["refused"] is None
    assert plan["sentences"] == told["plan"]
    watched = house.watched()
    actions.carry_out(action, watched, JobLog(None), check=True)
    assert watched.seen is not None
    assert watched.seen.difference.diff() == told["diff"]
    assert house.cluster.writes == []
    # And what is carried out is what was foreseen, to the letter.
    house.ask("carry_out", house.session("operator"), id=plan["id"])
    patches: list[Any] = []

    def patch(_cluster: Watched, difference: Difference) -> None:
        patches.append(difference.diff())
        raise ClusterError("that is as far as it goes")

    monkeypatch.setattr(Watched, "patch", patch)
    house.work()
    assert patches == [told["diff"]]


def call_module(call: Call, on: Any, module: ModuleType, cib: str, arguments: dict[str, Any]) -> dict[str, Any]:
    cluster = on(module, FakeCluster("migrate", cib=cib))
    told = call(module, check=True, **arguments)
    assert cluster.writes == []
    return told


def drained(house: House) -> dict[str, Any]:
    house.cluster.statuses = [STATUS, ARRIVED]
    plan = house.ask("plan", house.session("operator"), action="drain", subject="n2")["plan"]
    operation: dict[str, Any] = house.ask("carry_out", house.session("operator"), id=plan["id"], idempotency_key="k1")[
        "operation"
    ]
    return operation


def test_a_plan_tells_what_will_happen(house: House) -> None:
    plan = house.ask("plan", house.session("operator"), action="drain", subject="n2")["plan"]
    assert plan["moves"] == [{"guest": "mc", "from": "n2", "to": "n3", "order": 1, "forecast": None, "how": "live"}]
    house.cluster.views = measured()
    (move,) = house.ask("plan", house.session("operator"), action="drain", subject="n2")["plan"]["moves"]
    assert move["forecast"] == {"pause": 0.02, "seconds": 1.7}
    assert (plan["stops"], plan["stays"], plan["epoch"]) == ([], [], actions_epoch())
    assert plan["play"] == "ansible-playbook playbooks/maintenance.yml -e node=n2 -e state=on"
    assert house.cluster.writes == []


def actions_epoch() -> str:
    version = read(APART).version
    return f"{version.admin_epoch}.{version.epoch}.{version.num_updates}"


def test_the_intent_is_on_record_before_anything_is_done(house: House) -> None:
    operation = drained(house)
    assert house.cluster.writes == []
    (intent,) = house.ledger.entries("operation")
    assert (intent["id"], intent["by"], intent["verb"]) == (operation["id"], "operator", "drain")
    assert (operation["state"], operation["from"]) == ("running", "192.0.2.7")
    house.work()
    assert house.cluster.writes == ["patch", "patch"]
    done = house.ask("operation", house.session("viewer"), id=operation["id"])["operation"]
    assert (done["state"], done["ended"] is not None) == ("done", True)
    assert done["steps"] == [{"text": "mc to n3", "state": "done", "guest": "mc", "to": "n3"}]


def test_an_order_that_is_repeated_is_carried_out_once(house: House) -> None:
    one = drained(house)
    house.work()
    plan_id = house.ask("plan", house.session("operator"), action="drain", subject="n2")["plan"]["id"]
    again = house.ask("carry_out", house.session("operator"), id=plan_id, idempotency_key="k1")["operation"]
    assert again["id"] == one["id"]
    assert house.spawned == []
    trouble = house.refusal("return", house.session("operator"), node="n2", idempotency_key="k1")
    assert "this idempotency key was used for another action" in trouble.cause


def test_a_stale_plan_is_refused_with_a_new_one(house: House) -> None:
    operator = house.session("operator")
    plan = house.ask("plan", operator, action="drain", subject="n2")["plan"]
    house.cluster.cib = house.cluster.patched = reconcile(APART, Wanted(constraints=(HOME,))).xml
    trouble = house.refusal("carry_out", operator, id=plan["id"])
    assert (trouble.status, trouble.code) == (409, "stale_plan")
    assert trouble.beside["plan"]["id"] != plan["id"]
    assert (house.cluster.writes, house.spawned) == ([], [])
    assert house.ask("carry_out", operator, id=trouble.beside["plan"]["id"])["operation"]["verb"] == "drain"


def test_what_changes_between_the_order_and_the_patch_stops_it_too(house: House) -> None:
    operation = drained(house)
    house.cluster.cib = house.cluster.patched = reconcile(APART, Wanted(constraints=(HOME,))).xml
    house.work()
    assert house.cluster.writes == []
    failed = house.ask("operation", house.session("viewer"), id=operation["id"])["operation"]
    assert failed["state"] == "failed"
    assert "moved on" in failed["message"]


def test_what_the_verb_refuses_is_refused_here(house: House) -> None:
    house.cluster.predicted = house.cluster.predicted.replace(
        '<rsc_action action="migrate" resource="mc" source="n2" dest="n3"/>',
        '<rsc_action action="stop" resource="mc" node="n2" reason="node availability"/>',
    )
    operator = house.session("operator")
    plan = house.ask("plan", operator, action="drain", subject="n2")["plan"]
    assert "n2 can't be emptied" in plan["refused"]
    assert [one["guest"] for one in plan["stops"]] == ["mc"]
    assert house.refusal("carry_out", operator, id=plan["id"]).status == 422
    assert house.refusal("drain", operator, node="n2").status == 422
    assert (house.cluster.writes, house.spawned) == ([], [])


def test_a_stop_is_told_as_what_somebody_asked_for(house: House) -> None:
    house.cluster.predicted = house.cluster.predicted.replace(
        '<rsc_action action="migrate" resource="mc" source="n2" dest="n3"/>',
        '<rsc_action action="stop" resource="mc" node="n2" reason="node availability"/>',
    )
    plan = house.ask("plan", house.session("operator"), action="stop", subject="mc")["plan"]
    assert plan["sentences"] == ["mc: stop on n2 (asked for)"]
    assert plan["stops"] == [{"guest": "mc", "why": "asked for"}]


def test_without_quorum_it_shows_and_changes_nothing(house: House) -> None:
    house.cluster.statuses = [STATUS.replace('with_quorum="true"', 'with_quorum="false"')]
    look = house.ask("look", house.session("viewer"))
    assert look["cluster"]["quorum"] is False
    assert "there is no quorum" in look["cluster"]["partial"]
    trouble = house.refusal("drain", house.session("operator"), node="n2")
    assert (trouble.status, trouble.code) == (503, "no_quorum")


def test_an_operation_whose_process_was_lost_is_carried_on_and_ends(house: House) -> None:
    operation = drained(house)
    house.spawned.clear()  # its process died before it did anything
    started = seconds_of(house.ledger.entries("operation")[0]["started"])
    assert operations.to_carry_on(house.ledger, None, started + 5) == []
    (mine,) = operations.to_carry_on(house.ledger, None, started + 60)
    assert mine["id"] == operation["id"]
    operations.work({**mine, "again": True}, house.ledger, house.watched)
    assert house.cluster.writes == ["patch", "patch"]
    assert operations.to_carry_on(house.ledger, None, started + 60) == []


def test_a_move_without_a_target_is_carried_on_to_where_its_plan_had_it_go(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def carry_out(action: Action, *_rest: Any, **_more: Any) -> dict[str, Any]:
        asked.append(action.target)
        return {}

    monkeypatch.setattr(operations, "carry_out", carry_out)
    house.cluster.predicted = house.cluster.predicted.replace('dest="n3"', 'dest="n1"')
    house.ask("migrate", house.session("operator"), guest="mc")
    (entry,) = house.ledger.entries("operation")
    assert (entry["target"], entry["chosen"]) == (None, "n1")
    # As the version before wrote it, and one of a guest that had to be put in order first.
    old = {name: value for name, value in entry.items() if name != "chosen"}
    for number, one in enumerate((entry, old, {**old, "steps": []})):
        operations.work({**one, "id": f"{number}" * 32, "again": True}, house.ledger, house.watched)
    assert asked == ["n1", "n1"]
    assert [end["result"] for end in house.ledger.entries("operation-end")] == ["done", "done", "failed"]


def test_what_has_ended_since_somebody_found_it_unfinished_is_not_done_again(house: House) -> None:
    drained(house)
    (entry,) = house.ledger.entries("operation")
    house.ledger.write({"id": "e", "kind": "operation-end", "operation": entry["id"], "result": "done"})
    operations.work({**entry, "again": True}, house.ledger, house.watched)
    assert house.cluster.writes == []
    assert len(house.ledger.entries("operation-end")) == 1


def test_an_operation_of_a_node_that_is_gone_is_the_leaders_to_carry_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained(house)
    later = seconds_of(house.ledger.entries("operation")[0]["started"]) + 60
    status = parse_status(STATUS)
    assert status.dc is not None
    lost = parse_status(STATUS.replace('name="n1" id="1" online="true"', 'name="n1" id="1" online="false"'))
    assert lost.node("n1") is not None and not lost.node("n1").online  # type: ignore[union-attr]
    other = next(node.name for node in status.nodes if node.name not in ("n1", status.dc))
    for me, seen, due in ((status.dc, status, status.dc == "n1"), (other, lost, False)):
        monkeypatch.setattr(operations, "node_name", lambda me=me: me)
        assert bool(operations.to_carry_on(house.ledger, seen, later)) is due
    monkeypatch.setattr(operations, "node_name", lambda: str(lost.dc))
    if lost.dc != "n1":
        assert len(operations.to_carry_on(house.ledger, lost, later)) == 1


def test_what_was_overtaken_is_not_carried_on(house: House) -> None:
    drained(house)
    (entry,) = house.ledger.entries("operation")
    house.ledger.write({**entry, "id": "later", "verb": "return", "started": book.stamp(4_000_000_000)})
    operations.work({**entry, "again": True}, house.ledger, house.watched)
    assert house.cluster.writes == []
    (end,) = house.ledger.entries("operation-end")
    assert (end["result"], end["reason"]) == ("failed", "it was interrupted, and return of n2 was ordered since")


def test_a_look_costs_one_crm_mon_and_one_query_of_the_cib(house: House) -> None:
    viewer = house.session("viewer")
    house.cluster.runs.clear()
    look = house.ask("look", viewer)
    assert sorted(house.cluster.runs) == ["cibadmin --query", "crm_mon --one-shot"]
    mc = next(guest for guest in look["guests"] if guest["name"] == "mc")
    assert (mc["state"], mc["node"], mc["wanted"], mc["kind"]) == ("running", "n2", "started", "vm")
    assert {node["name"] for node in look["nodes"]} == {"n1", "n2", "n3"}
    for _more in range(5):
        house.ask("look", viewer)
    assert len(house.cluster.runs) == 2


def test_a_guests_page_says_why_it_is_here_and_not_there(house: House) -> None:
    guest = house.ask("guest", house.session("viewer"), name="mc")["guest"]
    assert {one["node"]: one["ok"] for one in guest["where"]}["n2"] is True
    assert all(one["why"] for one in guest["where"])
    assert guest["definition"]["name"] == "mc"


def test_the_journal_is_told_the_newest_first_and_without_keys(house: House) -> None:
    drained(house)
    house.work()
    viewer = house.session("viewer")
    told = house.ask("journal", viewer, node="n2", limit=10)["entries"]
    assert [entry["kind"] for entry in told] == ["operation"]
    assert "key" not in told[0]
    everything = house.ask("journal", viewer)["entries"]
    assert [e["id"] for e in house.ask("journal", viewer, before=everything[0]["id"])["entries"]] == [
        e["id"] for e in everything[1:]
    ]


def test_what_else_reads_the_journal_reads_on(house: House) -> None:
    drained(house)
    house.refusal("drain", house.session("viewer"), node="n2")
    house.work()
    entries = house.ledger.book.entries()
    assert {entry["kind"] for entry in entries} == {"log-in", "operation", "operation-end", "refusal"}
    assert achieved(entries, "n1", "n2", 1) is None
    lines = table(entries)
    assert any("ordered" in line and line.rstrip().endswith("drain n2 by operator") for line in lines)
    assert any("drain by viewer" in line for line in lines)
