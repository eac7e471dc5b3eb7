# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the verbs that move guests have in common: what they ask and how often, what they tell, whom they wait for."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.planning import drain, move
from ansible_collections.cspp.drover.plugins.module_utils.preflight import inquiry
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.modules import (
    guest_migrate,
    node_maintenance,
)
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import (
    APART,
    ARRIVED,
    DIFF,
    HOME,
    IDLE,
    MOVE,
    ONE_LOOK,
    PATCH,
    PENDING,
    RECORD,
    RETURN,
    SIMULATE,
    STANDBY,
    STATUS,
    WAITING,
    Contested,
    FakeCluster,
    transcript,
)


@pytest.mark.parametrize(
    ("module", "wish", "check", "runs"),
    [
        (guest_migrate, MOVE, True, [*ONE_LOOK, SIMULATE]),
        (guest_migrate, MOVE, False, [*ONE_LOOK, SIMULATE, DIFF, PATCH, *WAITING, DIFF, PATCH]),
        (node_maintenance, {"node": "n2", "state": "on"}, True, [*ONE_LOOK, SIMULATE]),
        (
            node_maintenance,
            {"node": "n2", "state": "on"},
            False,
            [*ONE_LOOK, SIMULATE, DIFF, PATCH, *WAITING, DIFF, PATCH],
        ),
    ],
    ids=["move foretold", "move of two seconds", "drain foretold", "drain of two seconds"],
)
def test_the_tools_that_a_verb_runs(
    call: Call, on: Any, module: ModuleType, wish: dict[str, Any], check: bool, runs: list[str]
) -> None:
    cluster = on(module, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    cluster.working = [PENDING]
    assert call(module, check=check, **wish)["changed"]
    assert cluster.runs == runs


@pytest.mark.parametrize(
    ("module", "wish"),
    [(guest_migrate, MOVE), (node_maintenance, {"node": "n2", "state": "on"})],
    ids=["move", "drain"],
)
@pytest.mark.parametrize("check", [True, False])
def test_nodes_are_asked_and_plans_made_once_and_the_journal_read_twice(
    call: Call,
    on: Any,
    monkeypatch: pytest.MonkeyPatch,
    journals: list[list[dict[str, Any]]],
    module: ModuleType,
    wish: dict[str, Any],
    check: bool,
) -> None:
    journals[:] = [[], [RECORD]]
    made: list[str] = []

    def counted(where: ModuleType, name: str) -> None:
        wrapped = getattr(where, name)

        def call_it(*args: Any, **more: Any) -> Any:
            made.append(name)
            return wrapped(*args, **more)

        monkeypatch.setattr(where, name, call_it)

    on(module, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    for where, name in ((inquiry, "survey"), (move, "plan"), (drain, "leave"), (book, "read")):
        counted(where, name)
    assert call(module, check=check, **wish)["changed"]
    # The journal is read before the move, to know what is new after it.
    assert made == ["survey", "plan" if module is guest_migrate else "leave", *([] if check else ["read", "read"])]


def test_the_plan_is_told_before_it_is_committed_and_then_what_happens(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[int, str]] = []
    cluster = FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED))
    monkeypatch.setattr(JobLog, "say", lambda _log, *lines: said.extend((len(cluster.writes), line) for line in lines))
    monkeypatch.setattr(JobLog, "saw", lambda log, works: log.say(*map(str, works)))
    on(guest_migrate, cluster)
    on(node_maintenance, cluster)
    cluster.working = [PENDING]
    call(guest_migrate, **MOVE)
    assert said == [(0, "plan: mc: migrate live n2 -> n3"), (1, "mc: migrating on n2")]
    said.clear()
    call(guest_migrate, **MOVE)
    assert said == [(2, "plan: mc is on n3 already")]
    said.clear()
    cluster.predicted = IDLE
    call(node_maintenance, check=True, node="n2", state="on")
    assert said == []
    call(node_maintenance, node="n2", state="on")
    assert said[0] == (2, "plan: nothing has to move")


@pytest.mark.parametrize(
    ("module", "wish"),
    [(guest_migrate, MOVE), (node_maintenance, {"node": "n2", "state": "on"}), (node_maintenance, RETURN)],
    ids=["move", "drain", "return"],
)
def test_who_moves_waits_for_what_somebody_orders_in_the_same_moment(
    call: Call, on: Any, module: ModuleType, wish: dict[str, Any]
) -> None:
    statuses = (ARRIVED, STATUS) if wish is RETURN else (STATUS, ARRIVED)
    cib = reconcile(APART, Wanted(constraints=(HOME,), nodes=(STANDBY,))).xml if wish is RETURN else APART
    cluster = on(module, Contested("migrate", cib=cib, statuses=statuses))
    assert call(module, **wish)["changed"]
    assert cluster.times == 0
    assert cluster.writes == ["patch", "patch"]


MENDED = ["patch", "crm_resource --refresh --resource mc", "patch"]


@pytest.mark.parametrize(
    ("module", "wish"),
    [
        (guest_migrate, MOVE),
        (node_maintenance, {"node": "n2", "state": "on"}),
        (node_maintenance, {"node": "n2", "state": "off"}),
    ],
    ids=["move", "drain", "return"],
)
def test_what_an_earlier_run_left_in_trouble_is_put_in_order_first(
    call: Call, on: Any, logged: list[str], module: ModuleType, wish: dict[str, Any]
) -> None:
    cib = reconcile(
        transcript("cib-migration-failed"), Wanted((), (HOME,), absent=frozenset({"drover-apart-mc.web"}))
    ).xml
    failed = transcript("crm_mon-migration-failed")
    cluster = on(module, FakeCluster("migrate", cib=cib, statuses=(failed, STATUS, STATUS, ARRIVED)))
    call(module, **wish)
    assert cluster.writes[:3] == MENDED
    assert logged[0] == "mc: put in order after a failed migration, without a restart"
