# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A power controller's password is in no program's arguments."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import ipmitool
from ansible_collections.cspp.drover.plugins.module_utils.cluster.ipmitool import rewritten

#: As fence_ipmilan starts it.
CALL = ["-I", "lanplus", "-H", "192.0.2.1", "-p", "6230", "-U", "fence", "-P", "", "-L", "operator"]
DO = ["chassis", "power", "status"]


@pytest.mark.parametrize(
    ("words", "passed", "controller"),
    [
        ([*CALL, *DO], ["-E", "-R", "2", *CALL[:8], *CALL[10:], *DO], "192.0.2.1 6230"),
        (
            ["-I", "lanplus", "-H", "bmc", "-P", "", *DO],
            ["-E", "-R", "2", "-I", "lanplus", "-H", "bmc", *DO],
            "bmc 623",
        ),
        # Somebody's own, by hand.
        (["-R", "9", "-H", "bmc", "-P", "mine", *DO], ["-E", "-R", "9", "-H", "bmc", "-P", "mine", *DO], "bmc 623"),
        (["-V"], ["-E", "-R", "2", "-V"], " 623"),
        (["-P"], ["-E", "-R", "2", "-P"], " 623"),
    ],
)
def test_arguments(words: list[str], passed: list[str], controller: str) -> None:
    assert rewritten(words) == (passed, controller)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[list[str], str]]:
    """What ipmitool was started with: its arguments, and the password in its environment."""
    seen: list[tuple[list[str], str]] = []
    monkeypatch.setattr(ipmitool, "PASSWORDS", tmp_path / "passwords.json")
    monkeypatch.setattr(shutil, "which", lambda _name, path: "/usr/bin/ipmitool")
    monkeypatch.setattr(sys, "argv", ["ipmitool", *CALL, *DO])
    monkeypatch.setattr(os, "execve", lambda _program, words, given: seen.append((words, given["IPMI_PASSWORD"])))
    (tmp_path / "passwords.json").write_text(json.dumps({"192.0.2.1 6230": "tiger", "192.0.2.2 6230": "lion"}))
    return seen


def test_the_password_is_in_the_environment(started: list[tuple[list[str], str]]) -> None:
    ipmitool.main({})
    ipmitool.main({"IPMI_PASSWORD": "tried"})
    assert [password for _words, password in started] == ["tiger", "tried"]
    assert not any("tiger" in word for words, _password in started for word in words)


@pytest.mark.parametrize("text", ["", "{}", '{"192.0.2.9 623": "x"}'])
def test_without_a_password_nothing_is_started(
    started: list[tuple[list[str], str]], capsys: pytest.CaptureFixture[str], text: str
) -> None:
    ipmitool.PASSWORDS.write_text(text)
    assert ipmitool.main({}) == 1
    assert "no password for the power controller at 192.0.2.1 6230" in capsys.readouterr().err
    assert started == []
