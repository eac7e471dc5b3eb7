# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OCF protocol as Pacemaker speaks it."""

from __future__ import annotations

import sys
import syslog

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import ocf
from ansible_collections.cspp.drover.plugins.module_utils.agents.metadata import Action, Metadata
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code, Request, shortened
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline

METADATA = Metadata("thing", "A thing", "A thing, told at length.", (), (Action("start", timeout=40),))


@pytest.fixture(autouse=True)
def journal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "openlog", lambda *_arguments: None)
    monkeypatch.setattr(syslog, "syslog", lambda _priority, line: lines.append(line))
    return lines


def call(monkeypatch: pytest.MonkeyPatch, action: str, outcome: Code | Exception, instance: str = "web") -> int:
    def act(_request: Request) -> Code:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(sys, "argv", ["thing", action])
    monkeypatch.setenv("OCF_RESOURCE_INSTANCE", instance)
    return ocf.run(METADATA, {"start": act})


def test_request_is_read_from_what_pacemaker_sets() -> None:
    environ = {
        "OCF_RESOURCE_INSTANCE": "web:0",
        "OCF_RESKEY_definition": "{}",
        "OCF_RESKEY_CRM_meta_timeout": "12500",
        "OCF_RESKEY_CRM_meta_migrate_source": "n1",
        "OCF_RESKEY_CRM_meta_migrate_target": "n2",
        "PATH": "/bin",
    }
    request = Request.read(["thing", "migrate_to"], environ, METADATA)
    assert (request.action, request.instance, request.source, request.target) == ("migrate_to", "web", "n1", "n2")
    assert request.parameters == {"definition": "{}"}
    assert request.deadline.seconds == 12.5


@pytest.mark.parametrize(("action", "seconds"), [("start", 40), ("unknown", 20)])
def test_default_timeouts_hold_for_calls_by_hand(action: str, seconds: int) -> None:
    assert Request.read(["thing", action], {}, METADATA).deadline.seconds == seconds


@pytest.mark.parametrize(
    ("outcome", "code", "reason"),
    [
        (Code.SUCCESS, 0, ""),
        (Code.NOT_RUNNING, 7, ""),
        (AgentError("no\n  disk", Code.ERR_INSTALLED), 5, "ocf-exit-reason:no disk\n"),
        (CommandError("broken"), 1, "ocf-exit-reason:broken\n"),
        (DroverError("broken", remedy="Mend it."), 1, "ocf-exit-reason:broken. Mend it.\n"),
        (KeyError("disks"), 1, "ocf-exit-reason:an error of Drover itself, told in the log: KeyError('disks')\n"),
    ],
)
def test_answers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: Code | Exception,
    code: int,
    reason: str,
) -> None:
    assert call(monkeypatch, "start", outcome) == code
    assert capsys.readouterr().err == reason


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("no disk", "no disk"),
        ("x" * 127, "x" * 127),
        ("x" * 128, "x" * 123 + " ..."),
        ("word " * 40, "word " * 23 + "word ..."),
        ("\u00fc" * 100, "\u00fc" * 61 + " ..."),
        ('reading "/sys" & <more>', "reading '/sys' + (more)"),
    ],
)
def test_reasons_are_cut_where_people_see_it_before_pacemaker_cuts_them(line: str, kept: str) -> None:
    assert shortened(line) == kept
    assert len(kept.encode()) < 128


def test_unknown_action_is_unimplemented(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "promote", Code.SUCCESS) == Code.ERR_UNIMPLEMENTED
    assert capsys.readouterr().err == "usage: thing {start}\n"


def test_a_call_without_instance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "start", Code.SUCCESS, instance="") == Code.ERR_ARGS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no parameter definition"),
        ("{", "unreadable"),
        ("[]", "unreadable"),
        ("{}", "unreadable"),
        ('{"kind": "vm", "name": "other"}', "is that of other"),
    ],
)
def test_a_definition_that_cannot_be_the_guest_is_refused(text: str | None, reason: str) -> None:
    parameters = {} if text is None else {"definition": text}
    with pytest.raises(AgentError, match=reason) as caught:
        Request("start", "web", parameters, Deadline(1)).definition()
    assert caught.value.code is Code.ERR_CONFIGURED


def test_deadline_counts_down_to_nothing() -> None:
    now = [100.0]
    deadline = Deadline(30, clock=lambda: now[0])
    assert deadline.left(10) == 20
    now[0] += 25
    assert (deadline.left(), deadline.left(10)) == (5, 0)
