# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill as it is planned, refused, carried out and judged, on a cluster of transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult, Runner
from ansible_collections.cspp.drover.plugins.module_utils.drill import report, run
from ansible_collections.cspp.drover.plugins.module_utils.drill.catalogue import find
from ansible_collections.cspp.drover.plugins.module_utils.drill.clients import Asker, Outage, Service
from ansible_collections.cspp.drover.plugins.module_utils.drill.run import (
    GuestOutcome,
    GuestSeen,
    Outcome,
    Plan,
    Refused,
)
from ansible_collections.cspp.drover.plugins.module_utils.drill.timeline import Event
from ansible_collections.cspp.drover.tests.unit.fake_cluster import STATUS, FakeCluster

WELL = STATUS.replace('stonith-enabled="false"', 'stonith-enabled="true"')


class FakeGround:
    """Nodes that are there, with a cluster of transcripts."""

    means = frozenset({"freeze", "bmc", "all"})
    own_disks = False

    def __init__(self, status: str = WELL) -> None:
        self.nodes = {"n1": "10.0.0.1", "n2": "10.0.0.2", "n3": "10.0.0.3"}
        self.cluster = FakeCluster(statuses=[status])
        self.done: list[str] = []

    def runner(self, node: str) -> Runner:
        def on_node(argv: Sequence[str], **how: Any) -> CommandResult:
            if argv[0] == "cat":
                return CommandResult(tuple(argv), 0, "ring0_addr: 10.0.0.1\n", "")
            return self.cluster(argv, **how)

        return on_node

    def has_power(self, node: str) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return lambda *about: self.done.append(f"{name} {about}")


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_service", lambda _host, _port=None: None)
    monkeypatch.setattr(run, "keeps_ledger", lambda _host: False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"name": "link"}, "2 links", id="a drill that cannot be done"),
        pytest.param({"name": "power", "node": "n9"}, "no node 'n9'", id="a node that is not there"),
        pytest.param({"name": "guest-crash", "guest": "nobody"}, "no guest 'nobody'", id="a guest that is not there"),
    ],
)
def test_refusals(asked: dict[str, Any], said: str) -> None:
    ground = FakeGround()
    with pytest.raises(Refused, match=said):
        run.plan(ground, **asked)
    assert ground.done == [] and ground.cluster.writes == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param(STATUS, "fencing is off", id="no fencing"),
        pytest.param(
            WELL.replace('name="n3" id="3" online="true"', 'name="n3" id="3" online="false"'), "n3", id="a node"
        ),
        pytest.param(
            WELL.replace('id="3" cached', 'id="3" x="" cached').replace("Started", "Stopped", 2), "web", id="guest"
        ),
    ],
)
def test_a_cluster_that_is_not_well_is_left_alone(status: str, said: str) -> None:
    ground = FakeGround(status)
    with pytest.raises(Refused, match="not well.*" + said):
        run.plan(ground, "power")
    assert ground.done == [] and ground.cluster.writes == []


@pytest.mark.parametrize(("asked", "node", "guest"), [({}, "n2", ""), ({"node": "n3"}, "n3", "")])
def test_the_node_is_the_one_that_is_named_or_one_with_guests(asked: dict[str, Any], node: str, guest: str) -> None:
    todo = run.plan(FakeGround(), "power", **asked)
    assert (todo.node, todo.guest) == (node, guest)
    assert [seen.name for seen in todo.guests] == ["mc", "web"]


SSH = Service("10.0.0.9", 22, True)
GAME = GuestSeen("game", "vm", "n1", "10.0.0.9", SSH, True, False)
WEB = GuestSeen("web", "container", "n2", "10.0.0.8", None, False, False)
LOCAL = GuestSeen("local", "container", "n1", "10.0.0.7", SSH, True, True)


def planned(name: str, node: str = "n1", guest: str = "") -> Plan:
    return Plan(*find(name), node, guest, (GAME, WEB, LOCAL))


@pytest.mark.parametrize(
    ("todo", "struck"),
    [
        (planned("power"), ["game", "local"]),
        (planned("power", "n3"), []),
        (planned("libvirt"), []),
        (planned("all-nodes"), ["game", "web", "local"]),
        (planned("guest-crash", "n2", "web"), ["web"]),
    ],
)
def test_who_is_struck(todo: Plan, struck: list[str]) -> None:
    assert [guest.name for guest in todo.struck] == struck


def test_what_happens_is_told() -> None:
    told = planned("power").sentences()
    assert told == [
        "N1 loses its power.",
        "game on n1 is away until it has been started again.",
        "web on n2 is to notice nothing.",
        "Nobody can ask web: it answers at none of the usual ports.",
        "web keeps no ledger, so of writes that it loses nobody is told.",
        "local on n1 is away until its node is back: it runs nowhere else.",
    ]


def test_times_are_those_of_the_first_return() -> None:
    one = GuestOutcome("game", "n1", struck=True)
    events = [Event(102.0, "lost", "n1"), Event(104.0, "fenced", "n1"), Event(106.0, "started", "game")]
    run._times(one, planned("power"), 100.0, events, [Outage(90.0, 91.0), Outage(99.9, 107.5), Outage(110.0, 111.0)])
    assert (one.detected, one.fenced, one.started, one.answered, one.away) == (2.0, 4.0, 6.0, 7.5, 7.6)


@pytest.mark.parametrize(
    ("outages", "answers", "said"),
    [
        pytest.param([Outage(99.9, 100.4)], True, [], id="back"),
        pytest.param([Outage(90.0, 91.0)], True, ["game", "answered all the while"], id="never away"),
        pytest.param([Outage(99.9, None)], False, ["game", "did not answer again"], id="still away"),
    ],
)
def test_who_did_not_come_back_is_not_who_never_went(
    monkeypatch: pytest.MonkeyPatch, outages: list[Outage], answers: bool, said: list[str]
) -> None:
    class Seen(Asker):
        def outages(self, guest: str) -> list[Outage]:
            return outages

        def answers(self, guest: str) -> bool:
            return answers

    monkeypatch.setattr(run, "_RECOVERS_WITHIN", 0.2)
    outcome = Outcome("guest-crash", "killed", "n1", "game", 100.0)
    run._wait_for_return(Seen({}), outcome, [GAME])
    assert len(outcome.wrong) == bool(said)
    assert all(part in outcome.wrong[0] for part in said)


@pytest.mark.parametrize(
    ("one", "outages", "disturbs", "wrong", "notes"),
    [
        pytest.param({"now": "n2"}, [], False, [], [], id="well"),
        pytest.param({"now": ""}, [], False, ["does not run"], [], id="lost"),
        pytest.param({"now": "n2", "twice": ["here and there"]}, [], False, ["ran twice: here"], [], id="twice"),
        pytest.param({"now": "n2", "complaints": ["record 3"]}, [], False, ["record 3"], [], id="a write lost"),
        pytest.param({"now": "n2"}, [Outage(1.0, None)], False, ["does not answer"], [], id="silent"),
        pytest.param({"now": "n2", "away": 1.0}, [], False, [], ["was away for 1.0"], id="a hiccup"),
        pytest.param({"now": "n2", "away": 9.0}, [], False, ["was away for 9.0"], [], id="one that was not struck"),
        pytest.param({"now": "n2", "away": 9.0}, [], True, [], ["was away for 9.0"], id="and may be held up"),
    ],
)
def test_judgement(
    one: dict[str, Any], outages: list[Outage], disturbs: bool, wrong: list[str], notes: list[str]
) -> None:
    outcome = Outcome("power", "power", "n1", "", 0.0)
    run._judge(GuestOutcome("game", "n1", **one), GAME, outages, outcome, disturbs=disturbs)
    for said, found in ((wrong, outcome.wrong), (notes, outcome.notes)):
        assert len(said) == len(found)
        assert all(part in line for part, line in zip(said, found, strict=True))
    assert outcome.well is (not wrong)


def test_who_is_elsewhere_has_strayed_and_the_report_says_how_it_was() -> None:
    stayed = GuestOutcome("web", "n2", now="n2", acknowledged=7, lost=0)
    went = GuestOutcome("game", "n1", now="n2", struck=True, answered=9.25, acknowledged=5, lost=1)
    outcome = Outcome("power", "power", "n1", "", 0.0, guests=[stayed, went], wrong=["game: a record"])
    assert [guest.name for guest in outcome.strayed] == ["game"]
    told = "\n".join(report.lines(outcome))
    assert "! game: a record" in told
    assert "acknowledged writes lost 1 of 12" in told and "after 9.2 s" in told
