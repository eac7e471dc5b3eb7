# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run's output on a screen: of a play that Ansible really runs, and of results that are hard to come by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.callback.brief import is_brief
from ansible_collections.cspp.drover.plugins.plugin_utils.screen import Screen, error_of, words_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("wish", "verbosity", "terminal", "ci", "brief"),
    [
        ("auto", 0, True, False, True),
        ("auto", 1, True, False, False),
        ("auto", 0, False, False, False),
        ("auto", 0, True, True, False),
        ("brief", 0, False, True, True),
        ("full", 0, True, False, False),
    ],
)
def test_the_short_form_is_for_screens(wish: str, verbosity: int, terminal: bool, ci: bool, brief: bool) -> None:
    assert is_brief(wish, verbosity, terminal=terminal, ci=ci) is brief


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"msg": "It can't be. Do it otherwise."}, "It can't be. Do it otherwise."),
        ({"msg": "Task failed: It can't be."}, "It can't be."),
        ({"msg": "non-zero return code", "stderr": "a\nb\n"}, "non-zero return code; a; b"),
        ({"msg": "MODULE FAILURE: see", "module_stdout": "", "module_stderr": "boom"}, "MODULE FAILURE: see; boom"),
        ({"results": [{"msg": "well"}, {"failed": True, "msg": "full"}]}, "full"),
        (
            {"results": [{"failed": True, "msg": "full"}, {"failed": True, "msg": "torn"}]},
            "full (and 1 more like it)",
        ),
        ({"results": [{"failed": True, "msg": "full"}, {"failed": True, "msg": "full"}]}, "full"),
        ({}, "it failed without a word"),
        ({"msg": "x" * 3000}, "x" * 2000 + " ..."),
    ],
)
def test_the_cause_of_a_failure(result: dict[str, Any], words: str) -> None:
    assert error_of(result) == words


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"msg": "a", "changed": False, "_ansible_verbose_always": True}, "a"),
        ({"msg": ["a", "b"]}, "a\nb"),
        ({"msg": {"a": 1}}, '{\n  "a": 1\n}'),
        ({"which": "v", "failed": False}, "v"),
    ],
)
def test_what_a_play_says(result: dict[str, Any], words: str) -> None:
    assert words_of(result) == words


def test_a_list_for_a_program_stays_a_list() -> None:
    assert json.loads(words_of({"msg": ["a"]}, machine=True)) == ["a"]


def test_what_hosts_have_in_common_is_told_once() -> None:
    said: list[str] = []
    screen = Screen(lambda words, kind: said.append(f"{kind}: {words}"), clock=lambda: "12:00:00")
    screen.task("Install packages", "cspp.drover.node")
    for number in range(8):
        screen.changed(f"node{number}")
    screen.task("Refuse", "cspp.drover.node")
    screen.failed("node1", "No room. Make some.")
    screen.failed("node0", "No room. Make some.")
    screen.task("Refuse again", "")
    screen.failed("node2", "No room. Make some.")
    screen.failed("node3", "it does not answer", forgiven=True)
    screen.finish({"node0": True, "node1": True})
    assert said == [
        "progress:   12:00:00 cspp.drover.node",
        "changed:   12:00:00 Install packages (node0, node1, node2, node3, node4, node5 and 2 more)",
        "failed: node0, node1: No room. Make some.",
        "progress: warning: node3: it does not answer",
        "failed: failed on node0, node1, 8 changes on node0, node1, node2, node3, node4, node5 and 2 more. "
        "The same with -v tells of each task",
    ]


PLAY = """
- hosts: n1,n2
  gather_facts: false
  tasks:
    - {name: Change it, ansible.builtin.command: "true"}
    - {name: Speak, ansible.builtin.debug: {msg: {a: [1]}}, run_once: true}
    - name: Refuse
      ansible.builtin.assert: {that: bad is not defined, fail_msg: No room. Make some., quiet: true}
"""


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A play on two hosts that are this machine."""
    (folder / "play.yml").write_text(PLAY)
    hosts = {"all": {"hosts": {name: {"ansible_connection": "local"} for name in ("n1", "n2")}}}
    (folder / "hosts.json").write_text(json.dumps(hosts))
    environ = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment}
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.json", "play.yml", *options]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_an_error_is_told_once_and_the_exit_status_is_ansibles(tmp_path: Path) -> None:
    done = run(tmp_path, "-ebad=1", DROVER_OUTPUT="brief")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "n1, n2: No room. Make some.",
        "failed on n1, n2, 2 changes on n1, n2. The same with -v tells of each task",
    ]
    assert "Change it (n1, n2)" in done.stdout
    assert "TASK" not in done.stdout


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0
    assert "TASK [Change it]" in done.stdout
    assert "PLAY RECAP" in done.stdout


def test_a_program_reads_json_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "-eformat=json", "-ebad=1")
    assert json.loads(done.stdout) == {"a": [1]}
    assert done.stderr.count("No room. Make some.") == 1
