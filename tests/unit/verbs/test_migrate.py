# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "migrate" on transcripts of a real cluster: what is foretold and done, and that a failure leaves order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster import failed_migration
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.measure import probe
from ansible_collections.cspp.drover.plugins.module_utils.preflight.survey import NodeView
from ansible_collections.cspp.drover.plugins.modules import (
    guest_migrate,
)
from ansible_collections.cspp.drover.tests.unit.cluster_samples import simulated
from ansible_collections.cspp.drover.tests.unit.conftest import Call
from ansible_collections.cspp.drover.tests.unit.fake_cluster import (
    APART,
    ARRIVED,
    CIB,
    MOVE,
    RECORD,
    STATUS,
    Contested,
    FakeCluster,
    measured,
    transcript,
)


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
            restarted = transcript("crm_simulate-restart").replace("web", "mc")
            return CommandResult(tuple(argv), 0, simulated(argv, restarted), "")
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
    monkeypatch.setattr(failed_migration, "_DISTURBED_FOR", 5.0)
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


def test_what_was_seen_of_somebody_elses_move_is_not_of_this_one(
    call: Call, on: Any, remote: type[FakeRemote], journals: list[list[dict[str, Any]]]
) -> None:
    on(guest_migrate, Contested("migrate", cib=APART, statuses=(STATUS, ARRIVED)))
    theirs = {**RECORD, "id": "0", "downtime_ms": 999}
    journals[:] = [[], [theirs], [theirs, RECORD]]
    result = call(guest_migrate, **{**PROBED, "probe": "tcp://10.0.0.20:7"})
    assert result["journal"] == RECORD
    assert len(remote.asked) == remote.stopped == 2


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
    cluster.views = measured()
    told = call(guest_migrate, check=True, **MOVE)
    assert told["forecast"]["path"] == "pre-copy"
    assert told["notes"] == ["forecast: 128 MiB, 1 round, 1.7 s, pause 20 ms: pre-copy, it changes next to nothing"]
    cluster.views = measured({"error": "no"})
    assert call(guest_migrate, check=True, **MOVE)["forecast"] is None


def test_a_move_that_the_cluster_would_not_make_is_refused(call: Call, on: Any) -> None:
    cluster = on(guest_migrate, FakeCluster("idle", cib=APART))
    assert "crm_resource --cleanup --resource mc" in call(guest_migrate, **MOVE)["msg"]
    assert cluster.writes == []
