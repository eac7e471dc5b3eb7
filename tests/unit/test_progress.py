# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import Any, ClassVar

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.cspp.drover.plugins.plugin_utils import progress


def guest(state: str, *nodes: str) -> dict[str, Any]:
    return {"name": "mc", "state": state, "nodes": list(nodes)}


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        ([guest("running", "n1")], [guest("running", "n1")], []),
        ([guest("running", "n1")], [guest("migrating", "n1")], ["mc: migrating on n1"]),
        ([guest("migrating", "n1")], [guest("running", "n2")], ["mc: running on n2"]),
        ([guest("running", "n1")], [guest("stopped")], ["mc: stopped"]),
        ([], [guest("running", "n1")], []),
    ],
)
def test_only_changes_are_news(before: list[Any], now: list[Any], lines: list[str]) -> None:
    assert progress.news(progress.states({"guests": before}), progress.states({"guests": now})) == lines


class Watched(progress.Watched):
    """The action without a connection: ``answers`` are the modules' results, in turn."""

    def __init__(self, answers: dict[str, list[dict[str, Any]]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def _execute_module(self, name: str, arguments: dict[str, Any], **_options: Any) -> dict[str, Any]:
        self.asked.append(f"{name} {arguments.get('mode', '')}".strip())
        left = self.answers[name]
        return left.pop(0) if len(left) > 1 else left[0]

    def get_shell_option(self, _name: str, default: str) -> str:
        return default


class Task:
    action = "cspp.drover.guest_migrate"
    args: ClassVar[dict[str, Any]] = {}
    async_val = 0
    check_mode = False


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(progress, "TICK", 0)
    places = [guest("running", "n1"), guest("migrating", "n1"), guest("running", "n2")]
    looks: list[dict[str, Any]] = [{"guests": [place]} for place in places]
    ended = {"finished": 1, "changed": True, "ansible_job_id": "1", "to": "n2"}
    status: list[dict[str, Any]] = [{"finished": 0}, {"finished": 0}, ended]
    action = Watched(
        {
            "cspp.drover.cluster_status_info": looks,
            "ansible.legacy.async_status": status,
            Task.action: [{"ansible_job_id": "1"}],
        }
    )
    action._task = Task()
    return action


def test_prints_what_happens_and_returns_what_the_module_says(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress.display, "display", lambda line: said.append(line.split(maxsplit=1)[1]))
    assert watched.run() == {"changed": True, "to": "n2"}
    assert said == ["mc: migrating on n1", "mc: running on n2"]
    assert watched.asked[-1] == "ansible.legacy.async_status cleanup"
    assert watched._task.async_val == 0


def test_check_mode_starts_no_job(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Task, "check_mode", True)
    watched.answers[Task.action] = [{"changed": True}]
    assert watched.run() == {"changed": True}
    assert watched.asked == [Task.action]


def test_a_module_that_never_started_says_why(watched: Watched) -> None:
    watched.answers[Task.action] = [{"failed": True, "msg": "no python"}]
    assert watched.run() == {"failed": True, "msg": "no python"}
