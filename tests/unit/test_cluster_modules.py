# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules that change the cluster, on transcripts of a real one: what check mode says, and that it only says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils import (
    drain,
    journal,
    move,
    moves,
    preflight,
    probe,
    recovery,
)
from ansible_collections.cspp.drover.plugins.module_utils.cib import Location, NodeSettings, Wanted, read, reconcile
from ansible_collections.cspp.drover.plugins.module_utils.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.resources import guest_of
from ansible_collections.cspp.drover.plugins.module_utils.survey import NodeView
from ansible_collections.cspp.drover.plugins.modules import (
    cluster_config,
    cluster_status_info,
    guest_migrate,
    guests,
    migration_check_info,
    node_maintenance,
)
from ansible_collections.cspp.drover.tests.unit.conftest import Call

DATA = Path(__file__).parent / "data" / "pacemaker"


def transcript(name: str) -> str:
    return (DATA / f"{name}.xml").read_text(encoding="utf-8")


HOME = Location("drover-home-mc", "mc", "n2", "INFINITY")
STANDBY = NodeSettings("n2", {"standby": "on"})
CIB, STATUS, IDLE = transcript("cib-guests"), transcript("crm_mon-guests"), transcript("crm_simulate-idle")


class FakeCluster:
    """A cluster that takes patches. ``predicted`` is what its scheduler says of any CIB but the live one; the
    statuses follow one another with each patch, the last stays."""

    def __init__(self, predicted: str = "idle", cib: str = CIB, statuses: Sequence[str] = (STATUS,)) -> None:
        self.cib = self.patched = cib
        self.predicted = transcript(f"crm_simulate-{predicted}")
        self.statuses = list(statuses)
        self.writes: list[str] = []
        #: Every run of a tool, and what the nodes are at work with at one look after the other.
        self.runs: list[str] = []
        self.working: list[str] = []
        #: What the nodes say when they are asked.
        self.views: dict[str, NodeView] = {}

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **_options: Any) -> CommandResult:
        output = ""
        self.runs.append(" ".join(argv[:3] if "--xpath" in argv else argv[:2]))
        if argv[:3] == ["cibadmin", "--query", "--xpath"]:
            output = self.working.pop(0) if self.working else ""
        elif argv[:2] == ["cibadmin", "--query"]:
            output = self.cib
        elif argv[0] == "crm_mon":
            output = self.statuses[0]
        elif argv[0] == "crm_simulate":
            output = IDLE if stdin == self.cib else self.predicted
        elif argv[0] == "crm_diff":
            self.patched = Path(argv[-1]).read_text(encoding="utf-8")
        elif argv[:2] == ["cibadmin", "--patch"]:
            self.writes.append("patch")
            self.cib = self.patched
            self.statuses = self.statuses[1:] or self.statuses
        else:
            self.writes.append(" ".join(argv))
        return CommandResult(tuple(argv), 0, output, "")


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a fake cluster under a module."""

    def install(module: ModuleType, cluster: FakeCluster) -> FakeCluster:
        time = FakeTime()
        monkeypatch.setattr(
            module, "Pacemaker", lambda **more: Pacemaker(cluster, clock=time, sleep=time.sleep, **more)
        )
        monkeypatch.setattr(preflight, "survey", lambda guests, measure=(): getattr(cluster, "views", {}))
        return cluster

    return install


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told to who watches."""
    said: list[str] = []
    monkeypatch.setattr(JobLog, "say", lambda _log, *lines: said.extend(lines))
    return said


RECORD = {
    "id": "1",
    "guest": "mc",
    "kind": "vm",
    "from": "n2",
    "to": "n3",
    "started": "2026-11-24T00:12:31.042Z",
    "result": "moved",
    "seconds": 1.83,
    "downtime_ms": 21,
    "rounds": 3,
    "bytes": 2**26,
    "path": ["pre-copy"],
    "forecast": {"rounds": 3},
}


@pytest.fixture(autouse=True)
def journals(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """What the journal says, one look after the other, the last again and again."""
    looks: list[list[dict[str, Any]]] = [[]]
    monkeypatch.setattr(journal, "read", lambda: looks.pop(0) if len(looks) > 1 else looks[0])
    return looks


MC = guest_of(read(CIB).primitives["mc"])
ASKED = {"name": "mc", "definition": MC, "ha": {"priority": 10}, "prefer": ["n2", "n1"], "apart_from": ["web"]}
GROWN = {**ASKED, "definition": {**(MC or {}), "vcpus": 2}}


def arguments(*asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"guests": list(asked), **more}


def test_guests_as_they_are_need_nothing(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster())
    result = call(guests, **arguments(ASKED))
    assert not result["changed"]
    assert cluster.writes == []
    assert result["guests"]["mc"] == {"node": "n2", "state": "running", "actions": [], "pending_restart": False}


def test_a_changed_guest_is_one_patch_which_check_mode_tells_and_does_not_make(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("reload"))
    told = call(guests, check=True, **arguments(GROWN))
    assert cluster.writes == []
    done = call(guests, **arguments(GROWN))
    assert cluster.writes == ["patch"]
    for key in ("changed", "diff", "objects", "actions", "plan"):
        assert told[key] == done[key]
    assert told["objects"] == ["update resource mc"]
    assert told["plan"] == ["mc: apply changes live on n2"]
    assert not call(guests, **arguments(GROWN))["changed"]


def test_a_restart_without_permission_is_refused(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("restart"))
    result = call(guests, **arguments(GROWN))
    assert result["failed"]
    assert "allow_restart" in result["msg"]
    assert cluster.writes == []


def test_a_pending_restart_is_reported_and_a_permitted_one_made(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster("restart"))
    waits = call(guests, **arguments(ASKED, restart_needed=["mc"]))
    assert not waits["changed"]
    assert waits["guests"]["mc"]["pending_restart"]
    made = call(guests, **arguments(ASKED, restart_needed=["mc"], allow_restart=["mc"]))
    assert made["plan"] == ["mc: restart on n2"]
    assert cluster.writes == ["patch"]


def test_a_guest_is_stopped_before_it_is_removed(call: Call, on: Any) -> None:
    gone = STATUS.replace(
        'id="mc" resource_agent="ocf:drover:vm" role="Started" active="true"', 'id="mc" role="Stopped"'
    )
    cluster = on(guests, FakeCluster(statuses=(STATUS, gone)))
    told = call(guests, check=True, **arguments({"name": "mc", "state": "absent"}))
    assert cluster.writes == []
    done = call(guests, **arguments({"name": "mc", "state": "absent"}))
    assert cluster.writes == ["patch", "patch"]
    assert told["diff"] == done["diff"]
    assert "mc" not in read(cluster.cib).primitives
    assert not read(cluster.cib).constraints


def test_a_guest_whose_migration_failed_is_put_in_order_without_a_restart(call: Call, on: Any) -> None:
    failed, mended = transcript("crm_mon-migration-failed"), STATUS
    cluster = on(guests, FakeCluster(cib=transcript("cib-migration-failed"), statuses=(failed, mended)))
    result = call(guests, **arguments(ASKED))
    assert result["changed"]
    assert result["plan"] == ["mc: put in order after a failed migration, without a restart"]
    assert cluster.writes == ["patch", "crm_resource --refresh --resource mc", "patch"]
    assert "drover-move-mc" not in read(cluster.cib).constraints
    assert "maintenance" not in read(cluster.cib).primitives["mc"].meta


def test_without_quorum_guests_are_not_changed(call: Call, on: Any) -> None:
    cluster = on(guests, FakeCluster(statuses=(STATUS.replace('with_quorum="true"', 'with_quorum="false"'),)))
    assert "no quorum" in call(guests, **arguments(GROWN))["msg"]
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("wish", "words"), [({"name": "mc"}, "no definition"), ({**ASKED, "ha": {"priority": "high"}}, "high")]
)
def test_nonsense_is_refused(call: Call, on: Any, wish: dict[str, Any], words: str) -> None:
    on(guests, FakeCluster())
    assert words in call(guests, **arguments(wish))["msg"]


ARRIVED = STATUS.replace('<node name="n2" id="2" cached="true"/>', '<node name="n3" id="3" cached="true"/>')
MOVE = {"guest": "mc", "to": "n3"}


#: The transcript of the migration has both guests on one node.
APART = reconcile(CIB, Wanted(absent=frozenset({"drover-apart-mc.web"}))).xml


def test_a_move_is_told_then_made(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    told = call(guest_migrate, check=True, **MOVE)
    assert cluster.writes == []
    assert (told["from"], told["to"], told["method"], told["changed"]) == ("n2", "n3", "live", True)
    done = call(guest_migrate, **MOVE)
    assert cluster.writes == ["patch", "patch"]
    assert done["diff"] == told["diff"]
    assert set(read(cluster.cib).constraints) == set(read(APART).constraints)
    again = call(guest_migrate, **MOVE)
    assert not again["changed"]


PENDING = '<lrm_rsc_op operation_key="mc_migrate_to_0" operation="migrate_to" interval="0" on_node="n2" rc-code="193"/>'
LOOK_AT = "cibadmin --query --xpath"
QUERY, MON, SIMULATE, DIFF, PATCH = (
    "cibadmin --query",
    "crm_mon --one-shot",
    "crm_simulate --simulate",
    "crm_diff --original",
    "cibadmin --patch",
)
ONE_LOOK, WAITING = [QUERY, MON, SIMULATE], [LOOK_AT, LOOK_AT, QUERY, SIMULATE, MON]


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
    for where, name in ((preflight, "survey"), (move, "plan"), (drain, "leave"), (journal, "read")):
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


def test_a_move_for_whose_sake_the_cluster_would_move_others_is_refused(call: Call, on: Any) -> None:
    """Whichever of two guests that are to be apart is moved to the other."""
    cib = APART.replace("</constraints>", BOND.format("apart", "web", "mc", "-5000") + "</constraints>")
    cluster = on(guest_migrate, FakeCluster("migrate", cib=cib, statuses=(STATUS, ARRIVED)))
    cluster.predicted = cluster.predicted.replace(
        "</actions>", '<rsc_action action="migrate" resource="web" source="n3" dest="n1"/></actions>'
    )
    for more in ({}, {"ignore": ["node_silent"]}):
        assert "mc and web are to be apart; web would not stay (apart)" in call(guest_migrate, **MOVE, **more)["msg"]
    assert cluster.writes == []
    assert call(guest_migrate, **MOVE, ignore=["apart"])["plan"] == [
        "mc: migrate live n2 -> n3",
        "web: migrate live n3 -> n1",
    ]
    stranger = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    stranger.predicted = cluster.predicted
    assert "would also act thus: web: migrate live n3 -> n1" in call(guest_migrate, **MOVE, ignore=["apart"])["msg"]
    assert stranger.writes == []


BOND = '<rsc_colocation id="drover-{0}-{1}.{2}" rsc="{1}" with-rsc="{2}" score="{3}"/>'


def test_a_move_that_fails_leaves_order(call: Call, on: Any) -> None:
    failed = transcript("crm_mon-migration-failed")
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, failed, STATUS)))
    result = call(guest_migrate, **MOVE)
    assert result["failed"]
    assert "migrate_to of mc failed on n2" in result["msg"]
    assert "It is running on n2" in result["msg"]
    assert cluster.writes == ["patch", "patch", "crm_resource --refresh --resource mc", "patch"]
    assert "drover-move-" not in cluster.cib
    assert read(cluster.cib).primitives["mc"].meta == read(CIB).primitives["mc"].meta


def test_a_move_that_the_cluster_did_not_make_is_taken_back(call: Call, on: Any) -> None:
    """The guest runs where it was, with a failure on the target: a plain restart that did not start there."""
    left = STATUS.replace("</pacemaker-result>", FAILURE)
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, left)))
    assert "mc did not get from n2 to n3: migrate_from of mc failed on n3" in call(guest_migrate, **MOVE)["msg"]
    assert cluster.writes == ["patch", "patch", CLEANUP]
    assert set(read(cluster.cib).constraints) == set(read(APART).constraints)


class Disturbing(FakeCluster):
    """Its scheduler would restart the guest if it were taken up again, so many times."""

    def __init__(self, times: int, **options: Any) -> None:
        super().__init__("migrate", **options)
        self.times = times

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
        taken_up = self.writes[-1:] == ["crm_resource --refresh --resource mc"] and stdin != self.cib
        if argv[0] == "crm_simulate" and taken_up and self.times:
            self.times -= 1
            return CommandResult(tuple(argv), 0, transcript("crm_simulate-restart").replace("web", "mc"), "")
        return super().__call__(argv, stdin=stdin, **options)


def test_a_failed_move_that_is_hard_to_put_in_order_is_tried_again(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = transcript("crm_mon-migration-failed")
    cluster = on(guest_migrate, Disturbing(2, cib=APART, statuses=(STATUS, failed, STATUS)))
    assert "It is running on n2, and the cluster is in order" in call(guest_migrate, **MOVE)["msg"]
    assert cluster.writes.count("crm_resource --refresh --resource mc") == 3


def test_one_that_cannot_be_put_in_order_names_the_move_and_its_cause_all_the_same(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_DISTURBED_FOR", 5.0)
    failed = transcript("crm_mon-migration-failed")
    on(guest_migrate, Disturbing(999, cib=APART, statuses=(STATUS, failed, STATUS)))
    said = call(guest_migrate, **MOVE)["msg"]
    assert said.startswith("mc did not get from n2 to n3: migrate_to of mc failed on n2")
    assert "mc runs, but is left unmanaged" in said


def test_check_mode_waits_for_a_move_that_is_under_way(call: Call, on: Any) -> None:
    between = STATUS.replace('agent="ocf:drover:vm" role="Started"', 'agent="ocf:drover:vm" role="Migrating"')
    between = between.replace(
        '<node name="n2" id="2" cached="true"/>',
        '<node name="n2" id="2" cached="true"/><node name="n3" id="3" cached="true"/>',
    )

    class Moving(FakeCluster):
        def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
            result = super().__call__(argv, stdin=stdin, **options)
            if argv[0] == "crm_mon" and len(self.statuses) > 1:
                self.statuses.pop(0)
            return result

    cluster = on(guest_migrate, Moving("migrate", cib=APART, statuses=(between, between, STATUS)))
    told = call(guest_migrate, check=True, **MOVE)
    assert (told["from"], told["to"], told["changed"]) == ("n2", "n3", True)
    assert cluster.writes == []


def test_a_guest_that_an_earlier_move_left_in_trouble_is_foretold_to_be_put_in_order(call: Call, on: Any) -> None:
    cluster = on(
        guest_migrate,
        FakeCluster(cib=transcript("cib-migration-failed"), statuses=(transcript("crm_mon-migration-failed"),)),
    )
    told = call(guest_migrate, check=True, **MOVE)
    assert told["changed"] and not told.get("failed")
    assert told["plan"] == ["mc: put in order after a failed migration, without a restart, and then moved if it can be"]
    assert cluster.writes == []


def test_what_the_journal_says_of_the_move_is_part_of_the_result(
    call: Call, on: Any, journals: list[list[dict[str, Any]]]
) -> None:
    on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    old = {**RECORD, "id": "0", "downtime_ms": 999}
    journals[:] = [[old], [old, {**RECORD, "id": "2", "guest": "web"}, RECORD]]
    result = call(guest_migrate, **MOVE)
    assert result["journal"] == RECORD
    told = {key: result[key] for key in ("downtime_ms", "rounds", "bytes", "path")}
    assert told == {key: RECORD[key] for key in told}
    assert result["client_silence_ms"] is result["probe"] is None


def test_without_a_record_nothing_is_made_up(call: Call, on: Any) -> None:
    on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    result = call(guest_migrate, **MOVE)
    assert result["changed"]
    assert result["journal"] is result["downtime_ms"] is result["rounds"] is result["path"] is None


def test_a_failed_move_tells_the_agents_own_reason(call: Call, on: Any, journals: list[list[dict[str, Any]]]) -> None:
    failed = transcript("crm_mon-migration-failed")
    on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, failed, STATUS)))
    journals[:] = [[], [{**RECORD, "result": "failed", "reason": "n3 has no bridge br0"}]]
    result = call(guest_migrate, **MOVE)
    assert "from n2 to n3: n3 has no bridge br0. It is running on n2" in result["msg"]
    assert result["journal"]["result"] == "failed"


#: What Pacemaker says of a guest that runs although an operation of its migration failed.
FAILURE = (
    '<failures><failure op_key="mc_migrate_from_0" node="n3" exitstatus="Error occurred" exitreason="" exitcode="1" '
    'call="70" status="Done" last-rc-change="2026-11-22 09:49:27Z" queued="0" exec="12" interval="0" '
    'task="migrate_from"/></failures></pacemaker-result>'
)
ARRIVED_SOMEHOW = ARRIVED.replace("</pacemaker-result>", FAILURE)
CLEANUP = "crm_resource --cleanup --resource mc"


def test_a_move_that_arrived_in_spite_of_a_failure_says_so(
    call: Call, on: Any, journals: list[list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: warned.append(text))
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED_SOMEHOW, ARRIVED)))
    journals[:] = [[], [{**RECORD, "result": "failed", "reason": "domain is not running"}]]
    result = call(guest_migrate, **MOVE)
    assert not result.get("failed")
    assert warned == ["mc is on n3, but not without trouble: domain is not running"]
    assert cluster.writes == ["patch", "patch", CLEANUP]


def test_a_failed_migration_on_record_of_a_guest_that_runs_is_forgotten(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(ARRIVED_SOMEHOW, ARRIVED)))
    assert not call(guest_migrate, **MOVE)["changed"]
    assert cluster.writes == [CLEANUP]


class FakeRemote:
    """A node's probe, which sees or fails as told."""

    error: str | None = None
    asked: list[tuple[str, str]]
    stopped = 0

    def __init__(self, node: str, target: probe.Target) -> None:
        self.asked.append((node, str(target)))

    def start(self) -> None:
        if self.error:
            raise probe.ProbeError(self.error)

    def stop(self) -> probe.Reading:
        type(self).stopped += 1
        return {"sent": 412, "lost": 0, "duplicated": 1, "silence_ms": 34.4}


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> type[FakeRemote]:
    monkeypatch.setattr(FakeRemote, "asked", [], raising=False)
    monkeypatch.setattr(FakeRemote, "stopped", 0)
    monkeypatch.setattr(probe, "RemoteProbe", FakeRemote)
    monkeypatch.setattr(probe, "AFTERWARDS", 0)
    return FakeRemote


def quoted(text: str) -> str:
    """As it stands in an attribute of XML."""
    return text.replace('"', "&quot;")


PROBED = {**MOVE, "probe": "tcp://:7", "probe_from": "n1", "slo": {"client_silence": "100ms"}}


def test_a_node_probes_at_the_guests_first_address(call: Call, on: Any, remote: type[FakeRemote]) -> None:
    name, nics = '"name":"mc"', '"nics":[{"addresses":["10.0.0.20/24"]}]'
    addressed = APART.replace(quoted(name), quoted(f"{name},{nics}"))
    cluster = on(guest_migrate, FakeCluster("migrate", cib=addressed, statuses=(STATUS, ARRIVED)))
    assert not call(guest_migrate, check=True, **PROBED).get("failed")
    assert remote.asked == []
    result = call(guest_migrate, **PROBED)
    assert remote.asked == [("n1", "tcp://10.0.0.20:7")]
    assert (result["client_silence_ms"], result["packets_lost"], result["packets_duplicated"]) == (34.4, 0, 1)
    assert result["probe"]["from"] == "n1"
    assert cluster.writes == ["patch", "patch"]


def test_a_guest_that_does_not_answer_is_not_moved(
    call: Call, on: Any, remote: type[FakeRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    monkeypatch.setattr(remote, "error", "from n1: the probe gets no answer at tcp://10.0.0.20:7: Connection refused")
    result = call(guest_migrate, **{**PROBED, "probe": "tcp://10.0.0.20:7"})
    assert result["msg"].endswith("Connection refused, so nothing was moved")
    assert cluster.writes == []


def test_who_probes_from_a_node_says_what(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    assert "required by 'probe_from'" in call(guest_migrate, **MOVE, probe_from="n1")["msg"]
    assert "is not a probe" in call(guest_migrate, **MOVE, probe_from="n1", probe="pong")["msg"]
    assert cluster.runs == []


class Contested(FakeCluster):
    """Somebody else orders a move just before the first patches, so many times."""

    times = 1

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
        if argv[:2] == ["cibadmin", "--patch"] and self.times:
            self.times -= 1
            self.cib = self.cib.replace(' num_updates="', ' num_updates="1')
            self.theirs = self.cib
            raise CommandError("older", CommandResult(tuple(argv), 103, "", "Update was older"))
        result = super().__call__(argv, stdin=stdin, **options)
        if argv[0] == "crm_simulate" and stdin == getattr(self, "theirs", None):
            self.theirs = ""
            return CommandResult(tuple(argv), 0, self.predicted, "")
        return result


RETURN = {"node": "n2", "state": "off"}


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


def test_what_was_seen_of_somebody_elses_move_is_not_of_this_one(
    call: Call, on: Any, remote: type[FakeRemote], journals: list[list[dict[str, Any]]]
) -> None:
    on(guest_migrate, Contested("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    theirs = {**RECORD, "id": "0", "downtime_ms": 999}
    journals[:] = [[], [theirs], [theirs, RECORD]]
    result = call(guest_migrate, **{**PROBED, "probe": "tcp://10.0.0.20:7"})
    assert result["journal"] == RECORD
    assert len(remote.asked) == remote.stopped == 2


@pytest.mark.parametrize("state", ["on", "off"])
def test_nobody_waits_for_ever_for_somebody_who_keeps_moving_guests(call: Call, on: Any, state: str) -> None:
    cib = APART if state == "on" else reconcile(APART, Wanted(constraints=(HOME,), nodes=(STANDBY,))).xml
    cluster = on(node_maintenance, Contested("migrate", cib=cib, statuses=(STATUS,)))
    cluster.times = 9999
    said = call(node_maintenance, node="n2", state=state, timeout=60)["msg"]
    assert "somebody else moves mc again and again, so n2 was not touched" in said
    assert cluster.writes == []


def test_a_move_that_a_node_is_against_is_refused_unless_that_is_ignored(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    cluster.views = {"n2": NodeView("n2"), "n3": NodeView("n3", error="refused")}
    for check in (True, False):
        result = call(guest_migrate, check=check, **MOVE)
        assert result["failed"]
        assert "mc can't go from n2 to n3: n3 does not answer: refused (node_silent)" in result["msg"]
        [told] = result["preflight"]
        assert (told["to"], told["possible"], told["findings"][0]["code"]) == ("n3", False, "node_silent")
    assert cluster.writes == []
    done = call(guest_migrate, ignore=["node_silent"], **MOVE)
    assert cluster.writes == ["patch", "patch"]
    assert done["notes"][0].startswith("! node_silent: n3 does not answer: refused; ")


def test_a_move_is_told_with_what_it_will_take(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    measured = {
        "measure": {"mc": {"in_use": 2**27, "dirties": 0}},
        "paths": {},
        "reach": {"n3": {"speed": 160 * 2**20}},
    }
    cluster.views = {"n2": NodeView("n2", suits=measured)}
    told = call(guest_migrate, check=True, **MOVE)
    assert told["forecast"]["path"] == "pre-copy"
    assert told["notes"] == ["forecast: 128 MiB, 1 round, 1.7 s, pause 20 ms: pre-copy, it changes next to nothing"]
    cluster.views = {"n2": NodeView("n2", suits={**measured, "measure": {"mc": {"error": "no"}}})}
    assert call(guest_migrate, check=True, **MOVE)["forecast"] is None


def test_every_guest_is_checked_for_every_other_node(call: Call, on: Any) -> None:
    cluster = on(migration_check_info, FakeCluster(cib=APART))
    cluster.views = {node: NodeView(node, error="refused") for node in ("n1", "n2", "n3")}
    result = call(migration_check_info)
    pairs = [(one["guest"], one["from"], one["to"], one["possible"]) for one in result["checks"]]
    assert pairs == [
        ("mc", "n2", "n1", False),
        ("mc", "n2", "n3", False),
        ("web", "n3", "n1", False),
        ("web", "n3", "n2", False),
    ]
    assert result["summary"][1].split() == ["mc", "n2", "node_silent", "-", "node_silent"]
    one = call(migration_check_info, guest="mc", to="n9")
    assert [finding["code"] for finding in one["checks"][0]["findings"]] == ["unknown_node"]
    assert cluster.writes == []


def test_a_move_that_the_cluster_would_not_make_is_refused(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("idle", cib=APART))
    assert "crm_resource --cleanup --resource mc" in call(guest_migrate, **MOVE)["msg"]
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
            return CommandResult(tuple(argv), 0, transcript("crm_simulate-migrate"), "") if first else result

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


DEVICE = {"node": "n1", "address": "192.0.2.11", "username": "fence", "password": "tiger", "options": {"power_wait": 1}}


def test_cluster_options_and_fencing(call: Call, on: Any) -> None:
    cluster = on(cluster_config, FakeCluster("fence", cib=transcript("cib-fresh")))
    wish = {"properties": {"cluster-recheck-interval": "1min"}, "fencing": [DEVICE]}
    wish["nodes"] = {"n1": {"utilization": {"memory": 4000}}}
    told = call(cluster_config, check=True, **wish)
    assert cluster.writes == []
    done = call(cluster_config, **wish)
    assert cluster.writes == ["patch"]
    assert told["diff"] == done["diff"]
    assert "tiger" not in str(told)
    live = read(cluster.cib)
    assert live.properties["stonith-enabled"] == "true"
    assert live.properties["cluster-recheck-interval"] == "1min"
    assert live.primitives["drover-fence-n1"].params["power_wait"] == "1"
    assert not call(cluster_config, **wish)["changed"]
    removed = call(cluster_config, fencing=[])
    assert "remove resource drover-fence-n1" in removed["objects"]
    assert "remove location drover-fence-n1-elsewhere" in removed["objects"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, None), ({"fenced": False, "fencing": [DEVICE]}, "false"), ({"fencing": [DEVICE]}, "true")],
    ids=["left alone", "devices before trust", "devices"],
)
def test_when_fencing_is_relied_on(call: Call, on: Any, given: dict[str, Any], expected: str | None) -> None:
    cluster = on(cluster_config, FakeCluster(cib=transcript("cib-fresh")))
    call(cluster_config, **given)
    assert read(cluster.cib).properties.get("stonith-enabled") == expected


def test_how_far_guests_are_is_asked_of_the_nodes_when_something_moves(
    call: Call, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def gather(nodes: list[str]) -> list[dict[str, Any]]:
        asked.append(nodes)
        return [{"guest": "mc", "to": "n3", "phase": "setup"}]

    monkeypatch.setattr(moves, "gather", gather)
    on(cluster_status_info, FakeCluster())
    assert call(cluster_status_info)["moves"] == []
    moving = STATUS.replace('agent="ocf:drover:vm" role="Started"', 'agent="ocf:drover:vm" role="Migrating"')
    on(cluster_status_info, FakeCluster(statuses=(moving,)))
    result = call(cluster_status_info)
    assert asked == [["n1", "n2", "n3"]]
    assert result["table"][-1] == "> mc: getting ready to move to n3"


def test_the_state_of_the_cluster(call: Call, on: Any) -> None:
    cluster = on(cluster_status_info, FakeCluster())
    result = call(cluster_status_info)
    assert result["member"]
    assert [guest["name"] for guest in result["guests"]] == ["mc", "web"]
    assert cluster.writes == []


def test_a_node_without_a_cluster_says_so(call: Call, on: Any) -> None:
    def down(argv: Sequence[str], **_options: Any) -> CommandResult:
        raise CommandError("x", CommandResult(tuple(argv), 102, "", ""))

    on(cluster_status_info, down)
    result = call(cluster_status_info)
    assert not result["member"]
    assert "systemctl status corosync pacemaker" in result["reason"]


def test_reconcile_of_a_real_cib_is_stable() -> None:
    live = read(CIB)
    assert not reconcile(CIB, Wanted(tuple(live.primitives.values()), tuple(live.constraints.values()))).changed
