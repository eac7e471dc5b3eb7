# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "maintenance" on transcripts of a real cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.modules import (
    node_maintenance,
)
from ansible_collections.cspp.drover.tests.unit.cluster_samples import simulated
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import (
    APART,
    ARRIVED,
    CIB,
    HOME,
    LOOK_AT,
    PENDING,
    RECORD,
    SIMULATE,
    STANDBY,
    STATUS,
    Contested,
    FakeCluster,
    measured,
    transcript,
)


@pytest.mark.parametrize("state", ["on", "off"])
def test_nobody_waits_for_ever_for_somebody_who_keeps_moving_guests(call: Call, on: Any, state: str) -> None:
    cib = APART if state == "on" else reconcile(APART, Wanted(constraints=(HOME,), nodes=(STANDBY,))).xml
    cluster = on(node_maintenance, Contested("migrate", cib=cib, statuses=(STATUS,)))
    cluster.times = 9999
    said = call(node_maintenance, node="n2", state=state, timeout=60)["msg"]
    assert "somebody else moves mc again and again, so n2 was not touched" in said
    assert cluster.writes == []


def test_a_node_is_emptied_and_refilled(call: Call, on: Any, journals: list[list[dict[str, Any]]]) -> None:
    cluster = on(node_maintenance, FakeCluster("migrate", statuses=(STATUS, ARRIVED)))
    wish = {"node": "n2", "state": "on"}
    told = call(node_maintenance, check=True, **wish)
    assert cluster.writes == []
    journals[:] = [[], [RECORD, {**RECORD, "id": "2", "guest": "other"}]]
    done = call(node_maintenance, **wish)
    assert done["moves"] == [RECORD]
    assert done["outcomes"] == ["mc: n2 -> n3, live, 1.8 s, pause 21 ms, 3 rounds, 64 MiB"]
    assert told["plan"] == done["plan"] == ["mc: migrate live n2 -> n3"]
    assert told["diff"] == done["diff"]
    # One patch empties the node. The other, when it is empty, lets the guests be moved on.
    assert cluster.writes == ["patch", "patch"]
    live = read(cluster.cib)
    assert live.standby() == {"n2"}
    assert live.constraints["drover-home-mc"] == Location("drover-home-mc", "mc", "n2", "INFINITY")
    assert "drover-drain-mc" not in live.constraints

    cluster.statuses = [ARRIVED, STATUS]
    off = {"node": "n2", "state": "off"}
    assert call(node_maintenance, check=True, **off)["changed"]
    assert len(cluster.writes) == 2
    assert call(node_maintenance, **off)["guests"] == ["mc"]
    assert read(cluster.cib).standby() == set()
    assert set(read(cluster.cib).constraints) == set(read(CIB).constraints)
    assert not call(node_maintenance, **off)["changed"]


def test_a_move_that_gave_way_is_made_again(
    call: Call, on: Any, journals: list[list[dict[str, Any]]], logged: list[str]
) -> None:
    cluster = on(
        node_maintenance,
        FakeCluster("migrate", statuses=(STATUS, transcript("crm_mon-migration-failed"), STATUS, ARRIVED)),
    )
    gave_way = {**RECORD, "id": "0", "result": "failed", "reason": "n1 was lost", "gave_way": True}
    journals[:] = [[], [gave_way], [gave_way, RECORD]]
    done = call(node_maintenance, node="n2", state="on")
    assert not done.get("failed"), done["msg"]
    assert "mc moves again: n1 was lost" in logged
    assert "crm_resource --refresh" in " ".join(cluster.runs)
    assert [move["result"] for move in done["moves"]] == ["failed", "moved"]


def test_a_move_that_gave_way_twice_and_left_no_word_of_it_is_not_made_for_ever(
    call: Call, on: Any, journals: list[list[dict[str, Any]]], logged: list[str]
) -> None:
    failed = transcript("crm_mon-migration-failed")
    on(node_maintenance, FakeCluster("migrate", statuses=(STATUS, failed, STATUS, failed)))
    journals[:] = [[], [{**RECORD, "id": "0", "result": "failed", "reason": "n1 was lost", "gave_way": True}]]
    said = call(node_maintenance, node="n2", state="on")["msg"]
    assert "n2 is not empty. These guests keep running there: mc (n1 was lost)" in said
    assert logged.count("mc moves again: n1 was lost") == 1


def test_a_dry_run_tells_what_live_moves_will_take(call: Call, on: Any) -> None:
    cluster = on(node_maintenance, FakeCluster("migrate", statuses=(STATUS, ARRIVED)))
    cluster.views = measured()
    wish = {"node": "n2", "state": "on"}
    told = call(node_maintenance, check=True, **wish)["forecasts"]
    assert {guest: (it["path"], it["seconds"], it["pause_ms"]) for guest, it in told.items()} == {
        "mc": ("pre-copy", 1.7, 20)
    }
    # Who waits for the moves themselves does not wait for measurements.
    assert call(node_maintenance, **wish)["forecasts"] == {}


def test_a_drain_that_would_stop_a_guest_is_refused(call: Call, on: Any) -> None:
    cluster = on(node_maintenance, FakeCluster("migrate"))
    cluster.predicted = cluster.predicted.replace(
        '<rsc_action action="migrate" resource="mc" source="n2" dest="n3"/>',
        '<rsc_action action="stop" resource="mc" node="n2" reason="node availability"/>',
    )
    result = call(node_maintenance, node="n2", state="on")
    assert "mc would be stopped" in result["msg"]
    assert "force=true" in result["msg"]
    assert cluster.writes == []
    assert call(node_maintenance, check=True, node="n2", state="on", force=True)["changed"]


@pytest.mark.parametrize(
    ("node", "waits"),
    [("n2", True), ("n3", True), ("n1", False)],
    ids=["from there", "to there", "elsewhere"],
)
def test_a_drain_waits_for_guests_that_are_on_their_way_from_or_to_the_node(
    call: Call, on: Any, logged: list[str], node: str, waits: bool
) -> None:
    class Moving(FakeCluster):
        """Somebody moves mc from n2 to n3, by the first look."""

        def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
            result = super().__call__(argv, stdin=stdin, **options)
            first = argv[0] == "crm_simulate" and self.runs.count(SIMULATE) == 1
            if first:
                return CommandResult(tuple(argv), 0, simulated(argv, transcript("crm_simulate-migrate")), "")
            return result

    cluster = on(node_maintenance, Moving("idle", cib=APART, statuses=(STATUS,)))
    call(node_maintenance, node=node, state="on")
    waited = "waiting for the end of what is under way for mc: mc: migrate live n2 -> n3"
    assert (waited in logged) is waits
    assert (LOOK_AT in cluster.runs[:4]) is waits


def test_who_waits_in_vain_for_a_drain_hears_which_guest_is_busy(call: Call, on: Any) -> None:
    cluster = on(node_maintenance, FakeCluster("migrate", cib=APART, statuses=(STATUS,)))
    cluster.cib = cluster.cib.replace("</lrm_resource>", f"{PENDING}</lrm_resource>", 1)
    cluster.working = [PENDING] * 999
    both = STATUS.replace('<node name="n3" id="3" cached="true"/>', '<node name="n2" id="2" cached="true"/>')
    cluster.statuses = [both]
    said = call(node_maintenance, node="n2", state="on", timeout=60)["msg"]
    assert said.startswith("waited 60 s in vain for the end of what is under way for mc; the cluster goes on by itself")
    assert cluster.writes == []


def test_a_return_tells_its_plan_too_and_the_agents_reason_when_it_fails(
    call: Call, on: Any, logged: list[str], journals: list[list[dict[str, Any]]]
) -> None:
    cib = reconcile(APART, Wanted(constraints=(HOME,))).xml
    cluster = on(node_maintenance, FakeCluster("migrate", cib=cib, statuses=(ARRIVED,)))
    journals[:] = [[], [{**RECORD, "result": "failed", "reason": "n2 has no bridge br0"}]]
    said = call(node_maintenance, node="n2", state="off")["msg"]
    assert "not all of its guests came back: mc (n2 has no bridge br0). Cure" in said
    assert logged == ["plan: nothing has to move"]
    assert "drover-home-mc" not in cluster.cib
