# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of the end of a guest's process: whether the cluster is told, by what it and the agent's monitor say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, end, fallback, glance, vm
from ansible_collections.cspp.drover.plugins.module_utils.agents.end import End
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code, Request
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.tests.unit.cluster.test_charge import RUNS, answer
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

PID, BORN = 4711, 99


@dataclass
class Cluster:
    """A cluster whose CIB says the same all the time, and what it was told."""

    says: str = answer(*RUNS)
    fails: bool = False
    told: list[str] = field(default_factory=list)

    def extract(self, _xpath: str) -> str:
        if self.fails:
            raise ClusterError("not connected")
        return self.says

    def fail(self, resource: str, node: str) -> None:
        self.told.append(f"{resource} on {node}")


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A node where the guest's mark still names the process that has ended."""
    monkeypatch.setattr(glance, "MARKS", str(tmp_path / "marks"))
    monkeypatch.setattr(glance, "ENDS", str(tmp_path / "ends"))
    monkeypatch.setattr(end, "node_name", lambda: "n1")
    mark()


def mark(pid: int = PID) -> None:
    Path(glance.MARKS).mkdir(exist_ok=True)
    Path(glance.MARKS, "web").write_text(f"{pid} {BORN} \n")


def tell(cluster: Cluster, *codes: Code | Exception | Callable[[], Code]) -> end.Outcome:
    """Settle the end; the agent's monitor gives these answers, the last one for ever."""
    answers = list(codes)
    time = FakeTime()

    def monitor(request: Request) -> Code:
        assert request.recurring and request.parameters == {"definition": "{}"}
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Code) else said()

    fake = cast(Pacemaker, cluster)
    return End("web", PID, BORN, fake, {"vm": monitor}, clock=time, sleep=time.sleep).tell()


def runs_again() -> Code:
    mark(pid=4712)
    return Code.SUCCESS


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([Code.NOT_RUNNING], True),
        ([AgentError("it crashed")], True),
        ([Code.SUCCESS, Code.SUCCESS, Code.NOT_RUNNING], True),  # libvirt needs a moment to notice
        ([Code.SUCCESS], False),  # it never does
        ([runs_again], False),  # a container that rebooted
        ([Code.SUCCESS, runs_again], False),
    ],
)
def test_the_agents_monitor_is_asked_first(codes: list[Any], told: bool) -> None:
    cluster = Cluster()
    assert tell(cluster, *codes).told is told
    assert cluster.told == (["web on n1"] if told else [])
    # A claim stays for a moment when the cluster was told, and no longer.
    assert glance.claimed("web") is told


def test_nothing_is_told_that_the_cluster_is_to_leave_alone() -> None:
    cluster = Cluster(answer(*RUNS, options={"maintenance-mode": "true"}))
    assert "leave all guests alone" in tell(cluster, Code.NOT_RUNNING).why
    assert not cluster.told and not glance.claimed("web")


def test_a_guest_that_is_to_stay_down_is_not_told_of() -> None:
    cluster = Cluster()

    def stays_down() -> Code:
        cluster.says = answer(*RUNS, meta={"target-role": "Stopped"})
        return Code.SUCCESS

    assert "to be stopped" in tell(cluster, stays_down, Code.NOT_RUNNING).why
    assert not cluster.told


@pytest.mark.parametrize("before", [lambda: glance.unsettle("web"), lambda: mark(pid=4712)])
def test_whoever_takes_the_mark_first_tells(before: Callable[[], None]) -> None:
    before()
    left = glance.marked("web")
    cluster = Cluster()
    assert not tell(cluster, Code.NOT_RUNNING).told
    assert not cluster.told and glance.marked("web") == left


def test_a_cluster_that_does_not_answer_is_left_to_monitors() -> None:
    assert "does not answer" in tell(Cluster(fails=True), Code.NOT_RUNNING).why
    assert not glance.claimed("web")
    assert "no such guest" in tell_again(Cluster("")).why


def tell_again(cluster: Cluster) -> end.Outcome:
    mark()
    return tell(cluster, Code.NOT_RUNNING)


@pytest.mark.parametrize("agent", [vm, container])
def test_a_stop_takes_the_mark_before_it_ends_anything(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[object] = []

    def end_it(*_actions: object, **_how: object) -> Code:
        marks.append(glance.marked("web"))
        return Code.SUCCESS

    monkeypatch.setattr(agent, "or_else", end_it)
    request = Request("stop", "web", {}, Deadline(20))
    agent._stop_with_fallback(*([request] if agent is vm else [request, None]))
    assert marks == [None]


@pytest.mark.parametrize(
    ("recurring", "claimed", "answers"),
    [
        (True, False, Code.NOT_RUNNING),
        (True, True, Code.SUCCESS),  # it would be two failures
        (False, True, Code.NOT_RUNNING),  # a probe decides where a guest may be started
    ],
)
def test_pacemakers_own_monitor_does_not_tell_what_is_being_told(recurring: bool, claimed: bool, answers: Code) -> None:
    if claimed:
        assert glance.claim("web", PID, BORN)
    request = Request("monitor", "web", {}, Deadline(20), recurring=recurring)
    code = fallback.monitor_or_look(
        request, lambda: Code.NOT_RUNNING, lambda _name: None, service="libvirt", silence=OSError
    )
    assert code is answers
