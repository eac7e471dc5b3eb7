# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "confirm" on transcripts of a real cluster: what is a refusal, and what is done when nothing lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import paused
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Primitive, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.planning.move import Refused
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.storage import beats
from ansible_collections.cspp.drover.plugins.module_utils.storage.beats import Beats
from ansible_collections.cspp.drover.plugins.module_utils.storage.lease import Lease
from ansible_collections.cspp.drover.plugins.module_utils.verbs.confirm import Confirmation
from ansible_collections.cspp.drover.tests.unit.fake_cluster import STATUS, FakeCluster, FakeTime

from .test_remove import without

#: n2 is lost, with mc on it.
LOST = without(STATUS, unclean="true")
NOTHING = Beats({}, frozenset(), {})


class Senses:
    """What members see of the node at one look after the other, and what its power controller says."""

    def __init__(self, *looks: Mapping[str, Sequence[str]], power: str | None = None) -> None:
        self.looks, self.said = list(looks), power

    def signs(self, _node: str, members: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return self.looks.pop(0) if self.looks else {member: [] for member in members}

    def power(self, _device: Primitive) -> str | None:
        return self.said


class Run:
    def __init__(self, senses: Senses, status: str = LOST, node: str = "n2", check: bool = False) -> None:
        self.cluster, self.time, self.recorded = FakeCluster(statuses=(status,)), FakeTime(), list[dict[str, Any]]()
        pacemaker = Pacemaker(self.cluster, clock=self.time, sleep=self.time.sleep)
        self.verb = Confirmation(
            pacemaker, node, "n1", senses, check=check, log=JobLog(None), record=self.recorded.append
        )


@pytest.fixture(autouse=True)
def storage(monkeypatch: pytest.MonkeyPatch) -> list[Beats]:
    """What is seen on storage, one look after the other."""
    looks: list[Beats] = []
    monkeypatch.setattr(beats, "look", lambda _guests: looks.pop(0) if looks else NOTHING)
    return looks


def test_guests_are_released_when_nothing_lives() -> None:
    run = Run(Senses())
    result = run.verb.run()
    assert run.cluster.writes == ["stonith_admin --confirm n2"]
    assert result["changed"]
    assert result["guests"] == ["mc"]
    assert run.time.now >= 25
    [record] = run.recorded
    told = {"kind": "confirmation", "node": "n2", "result": "confirmed", "by": "n1", "guests": ["mc"]}
    assert told.items() <= record.items()


def test_check_mode_looks_and_confirms_nothing() -> None:
    run = Run(Senses(), check=True)
    assert run.verb.run()["changed"]
    assert (run.cluster.writes, run.recorded) == ([], [])


WELL: Mapping[str, Sequence[str]] = {"n1": [], "n3": []}


@pytest.mark.parametrize(
    ("senses", "said"),
    [
        (Senses({"n1": [], "n3": ["192.0.2.2 answers a ping"]}), "192.0.2.2 answers a ping (seen by n3)"),
        # Only the second look sees it.
        (Senses(WELL, {"n1": ["192.0.2.2 refuses port 22"], "n3": []}), "192.0.2.2 refuses port 22 (seen by n1)"),
        (Senses({"n1": []}), "it does not tell what it sees (seen by n3)"),
        (Senses(power="on"), "its power controller answers, and says that it is on"),
    ],
)
def test_a_sign_of_life_is_a_refusal(senses: Senses, said: str) -> None:
    run = Run(senses)
    run.verb.cluster.query = lambda: run.cluster.cib.replace(  # type: ignore[method-assign]
        "</resources>", '<primitive id="drover-fence-n2" class="stonith" type="fence_ipmilan"/></resources>'
    )
    with pytest.raises(Refused, match="n2 is not taken for off") as refused:
        run.verb.run()
    assert said in str(refused.value)
    assert (run.cluster.writes, run.recorded) == ([], [])


def test_a_guest_that_moves_on_storage_is_a_refusal(storage: list[Beats]) -> None:
    storage += [Beats({"web": Lease("n2", beat)}, frozenset(), {}) for beat in (1, 2)]
    run = Run(Senses())
    with pytest.raises(Refused, match="the lease of web is renewed by n2"):
        run.verb.run()
    assert run.cluster.writes == []


@pytest.mark.parametrize(
    ("status", "node", "error", "said"),
    [
        (LOST, "n9", InvalidValue, "there is no node n9"),
        (LOST, "n1", Refused, "n1 is a member of the cluster that is up"),
        (LOST.replace('with_quorum="true"', 'with_quorum="false"'), "n2", Refused, "no quorum"),
    ],
)
def test_what_cannot_be_confirmed(status: str, node: str, error: type[Exception], said: str) -> None:
    run = Run(Senses(), status, node)
    with pytest.raises(error, match=said):
        run.verb.run()
    assert run.cluster.writes == []


def test_nobody_is_confirmed_to_be_off_while_high_availability_is_paused() -> None:
    run = Run(Senses())
    run.cluster.cib = reconcile(run.cluster.cib, Wanted(properties=paused.paused("2026-11-29T00:00:00Z"))).xml
    with pytest.raises(ClusterError, match="nothing was changed, for high availability is paused"):
        run.verb.run()
    assert run.cluster.writes == []


def test_a_node_that_is_known_to_be_off_needs_no_confirmation() -> None:
    run = Run(Senses(), without(STATUS))
    assert not run.verb.run()["changed"]
    assert run.cluster.writes == []
