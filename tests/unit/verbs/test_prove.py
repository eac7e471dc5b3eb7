# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "prove" on transcripts of a real cluster: what is done in which order, and what is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.planning.move import Refused
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs import maintain
from ansible_collections.cspp.drover.plugins.module_utils.verbs.prove import Proof
from ansible_collections.cspp.drover.tests.unit.fake_cluster import STATUS, FakeCluster, FakeTime

from .test_remove import without

CUT, ON = "stonith_admin --reboot n2 --timeout 120", "stonith_admin --unfence n2 --timeout 120"


WELL = STATUS.replace('stonith-enabled="false"', 'stonith-enabled="true"')


class Disobedient(FakeCluster):
    """A cluster whose power controllers do not obey."""

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
        if argv[0] == "stonith_admin":
            raise CommandError("no answer", CommandResult(tuple(argv), 124, "", "no answer"))
        return super().__call__(argv, stdin=stdin, **options)


@pytest.fixture(autouse=True)
def emptied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of maintenance, which has tests of its own."""
    asked: list[str] = []

    def on(_self: maintain.Maintenance) -> dict[str, Any]:
        asked.append("on")
        return {"plan": ["mc: migrate live n2 -> n3"]}

    monkeypatch.setattr(maintain.Maintenance, "on", on)
    monkeypatch.setattr(maintain.Maintenance, "off", lambda _self: asked.append("off"))
    return asked


def prove(cluster: FakeCluster, node: str = "n2", check: bool = False) -> tuple[Proof, list[dict[str, Any]]]:
    clock, recorded = FakeTime(), list[dict[str, Any]]()
    pacemaker = Pacemaker(cluster, clock=clock, sleep=clock.sleep)
    how: dict[str, Any] = {"timeout": 60, "check": check, "log": JobLog(None), "record": recorded.append}
    return Proof(pacemaker, node, "n1", **how), recorded


def test_a_node_is_emptied_cut_off_and_taken_back(emptied: list[str]) -> None:
    cluster = FakeCluster(statuses=(WELL,))
    proof, recorded = prove(cluster)
    result = proof.run()
    assert (cluster.writes, emptied) == ([CUT, ON], ["on", "off"])
    assert result["plan"] == ["mc: migrate live n2 -> n3", "n2: cut its power, see that it is off, switch it on again"]
    [record] = recorded
    assert {"kind": "proof", "node": "n2", "result": "fenced", "by": "n1"}.items() <= record.items()


def test_nobody_switches_a_node_on_that_sbd_has_reset() -> None:
    cluster = FakeCluster(statuses=(WELL.replace('id="mc"', 'id="drover-sbd-n2"'),))
    prove(cluster)[0].run()
    assert cluster.writes == [CUT]


def test_check_mode_tells_the_same_plan_and_touches_nothing() -> None:
    cluster = FakeCluster(statuses=(WELL,))
    proof, recorded = prove(cluster, check=True)
    assert proof.run()["plan"][-1].startswith("n2: cut its power")
    assert cluster.writes == []
    assert recorded == []


def test_a_node_that_cannot_be_fenced_stays_empty_and_that_is_recorded(emptied: list[str]) -> None:
    proof, recorded = prove(Disobedient(statuses=(WELL,)))
    with pytest.raises(ClusterError, match="n2 could not be fenced, so its guests would not be recovered if it died"):
        proof.run()
    assert emptied == ["on"]
    assert [record["result"] for record in recorded] == ["failed"]


@pytest.mark.parametrize(
    ("status", "node", "error", "said"),
    [
        (WELL, "n9", InvalidValue, "there is no node n9"),
        (WELL, "n1", Refused, "n1 cannot have itself fenced"),
        (without(WELL, "n3"), "n2", Refused, "n3 cannot take guests"),
        (WELL.replace('with_quorum="true"', 'with_quorum="false"'), "n2", Refused, "no quorum"),
        (STATUS, "n2", Refused, "fencing is off"),
    ],
)
def test_what_is_not_put_to_the_test(
    emptied: list[str], status: str, node: str, error: type[Exception], said: str
) -> None:
    cluster = FakeCluster(statuses=(status,))
    with pytest.raises(error, match=said):
        prove(cluster, node)[0].run()
    assert emptied == cluster.writes == []
