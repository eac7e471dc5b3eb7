# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import Any, ClassVar

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.cspp.drover.plugins.action import guest_migrate
from ansible_collections.cspp.drover.plugins.module_utils.measure import probe
from ansible_collections.cspp.drover.plugins.plugin_utils import progress


class Watched(guest_migrate.ActionModule):
    """The action without a connection: ``answers`` are the modules' results, in turn."""

    def __init__(self, answers: dict[str, list[dict[str, Any]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.given: list[dict[str, Any]] = []

    def _execute_module(self, name: str, arguments: dict[str, Any], **_options: Any) -> dict[str, Any]:
        self.asked.append(f"{name} {arguments.get('mode', '')}".strip())
        self.given.append(arguments)
        left = self.answers[name]
        return left.pop(0) if len(left) > 1 else left[0]

    def get_shell_option(self, _name: str, default: str) -> str:
        return default


LOOK, STATUS = "cspp.drover.job_info", "ansible.legacy.async_status"


class Task:
    action = "cspp.drover.guest_migrate"
    args: ClassVar[dict[str, Any]] = {}
    async_val = 0
    check_mode = False


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(progress, "TICK", 0)
    ended = {"finished": 1, "changed": True, "ansible_job_id": "j1.23", "guest": "mc", "from": "n1", "to": "n2"}
    looks: list[dict[str, Any]] = [
        {"lives": True, "lines": [], "offset": 0},
        {"lives": True, "lines": ["plan: mc: migrate live n1 -> n2", "mc: migrating on n1"], "offset": 53},
        {"lives": False, "lines": ["that was it"], "offset": 65},
    ]
    action = Watched({LOOK: looks, STATUS: [ended], Task.action: [{"ansible_job_id": "j1.23"}]})
    action._task = Task()
    return action


def test_prints_what_happens_and_returns_what_the_module_says(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress.display, "display", lambda line: said.append(line.split(maxsplit=1)[1]))
    moved = {"changed": True, "guest": "mc", "from": "n1", "to": "n2"}
    assert watched.run() == {**moved, "outcome": "mc: n1 -> n2"}
    assert said == ["plan: mc: migrate live n1 -> n2", "mc: migrating on n1", "that was it"]
    # One module a look, and two when it has ended.
    assert watched.asked == [Task.action, LOOK, LOOK, LOOK, f"{STATUS} status", f"{STATUS} cleanup"]
    log = watched.given[0]["log"]
    assert watched.given[1:4] == [{"job": "j1.23", "log": log, "offset": offset} for offset in (0, 0, 53)]
    assert watched._task.async_val == 0


def test_check_mode_starts_no_job(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Task, "check_mode", True)
    watched.answers[Task.action] = [{"changed": True}]
    assert watched.run() == {"changed": True}
    assert watched.asked == [Task.action]


def test_a_module_that_never_started_says_why(watched: Watched) -> None:
    watched.answers[Task.action] = [{"failed": True, "msg": "no python"}]
    assert watched.run() == {"failed": True, "msg": "no python"}


@pytest.mark.parametrize("look", [{"lives": False, "lines": [], "offset": 0}, {"failed": True, "msg": "no python"}])
def test_a_job_that_was_killed_is_not_waited_for(watched: Watched, look: dict[str, Any]) -> None:
    watched.answers[LOOK] = [look]
    watched.answers[STATUS] = [{"finished": 0}]
    result = watched.run()
    assert result["failed"] and "Run the same command again" in result["msg"]
    assert watched.asked[-1] == f"{STATUS} cleanup"


def test_one_look_that_fails_says_nothing(watched: Watched) -> None:
    watched.answers[LOOK].insert(1, {"failed": True, "msg": "not now"})
    watched.answers[STATUS].insert(0, {"finished": 0})
    assert not watched.run().get("failed")


SEEN = {"sent": 412, "lost": 0, "duplicated": 1, "silence_ms": 34.4, "broken": None, "delay_ms": 1.2}


class FakeProbe:
    """A probe of this machine that sees what it is told to see."""

    targets: ClassVar[list[str]] = []
    answers: ClassVar[bool] = True

    def __init__(self, target: probe.Target) -> None:
        self.targets.append(str(target))

    def start(self) -> None:
        if not self.answers:
            raise probe.ProbeError("the probe gets no answer at ping://10.0.0.20")

    def stop(self) -> probe.Reading:
        return dict(SEEN)

    def close(self) -> None:
        pass


@pytest.fixture
def probed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(probe, "Probe", FakeProbe)
    monkeypatch.setattr(probe, "AFTERWARDS", 0)
    monkeypatch.setattr(FakeProbe, "targets", [])
    addressed = {"name": "mc", "addresses": ["10.0.0.20"]}
    watched.answers["cspp.drover.cluster_status_info"] = [{"guests": [{"name": "web", "addresses": []}, addressed]}]
    return watched


def asks(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> None:
    monkeypatch.setattr(Task, "args", {"guest": "mc", **arguments})


def test_what_a_client_here_saw_is_part_of_the_result(probed: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, probe="ping", slo="client_silence=100ms,packets_lost=0")
    result = probed.run()
    assert FakeProbe.targets == ["ping://10.0.0.20"]
    assert (result["client_silence_ms"], result["packets_lost"], result["packets_duplicated"]) == (34.4, 0, 1)
    assert result["probe"] == {**SEEN, "from": "the controller"}
    assert result["outcome"] == "mc: n1 -> n2, silence 34 ms, 0 of 412 packets lost, 1 doubled"
    assert "failed" not in result
    # The module is not asked to do it again.
    assert probed.given[1].keys() == {"guest", "log"}


def test_a_broken_slo_fails_with_both_values(probed: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, probe="ping://10.0.0.9", slo={"client_silence": "30ms", "downtime": "50ms"})
    result = probed.run()
    assert FakeProbe.targets == ["ping://10.0.0.9"]
    assert result["failed"]
    assert "client_silence: at most 30ms asked, 34.4ms measured; downtime: at most 50ms asked, nobody" in result["msg"]


def test_who_does_not_answer_is_not_moved(probed: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, probe="ping")
    monkeypatch.setattr(FakeProbe, "answers", False)
    result = probed.run()
    assert result["failed"]
    assert "so nothing was moved" in result["msg"]
    assert Task.action not in probed.asked


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"probe": "pong"}, "is not a probe"),
        ({"slo": {"client_silence": "100ms"}}, "nobody can tell without a probe"),
        ({"probe": "ping", "slo": "soon"}, "dictionary"),
    ],
)
def test_nonsense_is_refused_before_anything_is_asked(
    probed: Watched, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], words: str
) -> None:
    asks(monkeypatch, **arguments)
    result = probed.run()
    assert result["failed"]
    assert words in result["msg"]
    assert probed.asked == []


def test_a_node_probes_by_itself(probed: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, probe="ping", probe_from="n3", slo={"client_silence": "30ms"})
    ended = probed.answers[STATUS][-1]
    ended.update(probe.told(dict(SEEN), "n3"))
    result = probed.run()
    assert FakeProbe.targets == []
    assert "34.4ms measured" in result["msg"]
    assert probed.given[0].keys() == {"guest", "log", "probe", "probe_from"}
