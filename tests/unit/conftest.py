# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests of modules need: to call one as Ansible does, and programs that only say what a table tells them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.cspp.drover.plugins.module_utils.command import CommandError, CommandResult

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
