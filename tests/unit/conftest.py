# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests of several rooms need: a module called as Ansible does, programs that only say what a table tells them, a
TLS connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.preflight import inquiry
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.tests.unit.fake_cluster import (
    FakeCluster,
    FakeTime,
    survey,
)
from ansible_collections.cspp.drover.tests.unit.peer.connections import Ends, connected

Call = Callable[..., dict[str, Any]]
Programs = Callable[..., list[list[str]]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a module's main() with arguments, in check mode if told, and returns its result."""

    def run_main(module: ModuleType, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        capsys.readouterr()
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_main


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Replaces a module's run(): answers by the command's beginning, and returns the list of calls to come.

    An answer is the program's output, or its exit status when it fails. A program without an answer must not be run.
    """

    def install(module: ModuleType, answers: Mapping[str, str | int]) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(argv: Sequence[str], *, ok: Sequence[int] | None = (0,), **_options: Any) -> CommandResult:
            calls.append(list(argv))
            line = " ".join(argv)
            answer = answers[max((key for key in answers if line.startswith(key)), key=len)]
            result = CommandResult(
                tuple(argv), answer if isinstance(answer, int) else 0, "" if isinstance(answer, int) else answer, ""
            )
            if ok is not None and result.rc not in ok:
                raise CommandError(f"{line} exited with {result.rc}", result)
            return result

        monkeypatch.setattr(module, "run", run)
        return calls

    return install


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, journals: list[list[dict[str, Any]]]) -> Any:
    """Puts a fake cluster under a module."""

    def install(module: ModuleType, cluster: FakeCluster) -> FakeCluster:
        time = FakeTime()
        monkeypatch.setattr(
            module, "Pacemaker", lambda **more: Pacemaker(cluster, clock=time, sleep=time.sleep, **more)
        )
        monkeypatch.setattr(inquiry, "survey", survey(cluster))
        return cluster

    return install


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told to who watches."""
    said: list[str] = []
    monkeypatch.setattr(JobLog, "say", lambda _log, *lines: said.extend(lines))
    return said


@pytest.fixture
def journals(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """What the journal says, one look after the other, the last again and again."""
    looks: list[list[dict[str, Any]]] = [[]]
    monkeypatch.setattr(book, "read", lambda: looks.pop(0) if len(looks) > 1 else looks[0])
    return looks


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    """Two ends of a TLS connection."""
    return connected(tmp_path)
