# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a process leaves undone when it is killed, another sets right."""

from __future__ import annotations

import io
import os
import signal
import sys
import syslog
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import deadman
from ansible_collections.cspp.drover.plugins.module_utils.agents.deadman import DeadMansSwitch, stand_by
from ansible_collections.cspp.drover.plugins.module_utils.cluster import pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for
from ansible_collections.cspp.drover.tests.unit.cluster_samples import guest, node, status

#: Writes down what it is told, like the program that stands by, and then that it has come to its end.
PROGRAM = """#!{python}
import sys
with open("{log}", "w") as log:
    for line in sys.stdin:
        log.write(line)
    log.write("alone")
"""


@pytest.mark.parametrize(
    ("words", "rescued"),
    [([], False), (["arm"], True), (["arm", "disarm"], False), (["arm", "disarm", "arm"], True)],
)
def test_only_what_is_watched_is_rescued(words: list[str], rescued: bool) -> None:
    found: list[dict[str, Any]] = []
    stand_by(io.StringIO("".join(f"{word}\n" for word in ['{"name": "web"}', *words])), found.append)
    assert found == [{"name": "web"}] * rescued


@pytest.mark.parametrize("killed", [True, False])
def test_it_outlives_who_it_watches(tmp_path: Path, killed: bool) -> None:
    log, program = tmp_path / "log", tmp_path / "deadman"
    program.write_text(PROGRAM.format(python=sys.executable, log=log))
    program.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            with DeadMansSwitch({"name": "web"}, str(program)) as switch:
                switch.arm()
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)
                switch.disarm()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    said = '{"name": "web"}\narm\n' + ("" if killed else "disarm\n") + "alone"
    wait_for(lambda: log.exists() and log.read_text(), lambda text: text == said, what="its end", timeout=10)


HERE = os.uname().nodename


class Host:
    def __init__(self, state: str = "STOPPED", config: str = "# written") -> None:
        self._state, self._config = state, config

    def state(self, _name: str) -> str:
        return self._state

    def config(self, _name: str) -> str:
        return self._config


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda *_words: None)
    monkeypatch.setattr(deadman, "start", lambda _host, what, _timeout: names.append(what["name"]))
    return names


def rescue(host: Any, ours: bool = True) -> None:
    deadman.rescue({"name": "web", "stop_timeout": 0}, host, lambda _name: ours)


def test_one_that_is_down_and_still_this_nodes_is_started(started: list[str]) -> None:
    rescue(Host())
    assert started == ["web"]


def test_one_that_runs_on_is_left_alone(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(look: Any, done: Any, **_how: Any) -> None:
        assert not done(look())
        raise WaitTimeout("the stop", "RUNNING", 5.0)

    monkeypatch.setattr(deadman, "wait_for", at_once)
    rescue(Host("RUNNING"))
    assert started == []


@pytest.mark.parametrize(("host", "ours"), [(Host(config=""), True), (Host(), False)])
def test_one_that_was_stopped_stays_so(started: list[str], host: Host, ours: bool) -> None:
    rescue(host, ours)
    assert started == []


@pytest.mark.parametrize(
    ("seen", "runs"),
    [
        (status(guest("web", HERE), nodes=(node(HERE),)), True),
        # A move whose agent was killed: blocked, and still here.
        (status(guest("web", HERE, failed=True, blocked=True), nodes=(node(HERE),)), True),
        (status(guest("web", HERE, pending="Migrating"), nodes=(node(HERE),)), True),
        (status(guest("web", HERE, pending="Stopping"), nodes=(node(HERE),)), False),
        (status(guest("web"), nodes=(node(HERE),)), False),
        (status(guest("web", "other"), nodes=(node(HERE), node("other"))), False),
        (status(guest("web", HERE), nodes=(node(HERE, shutdown=True),)), False),
        (status(guest("web", HERE), nodes=(node(HERE, online=False),)), False),
        (status(guest("web", HERE), nodes=()), False),
        (status(nodes=(node(HERE),)), False),
        (None, False),
    ],
)
def test_the_cluster_says_whether_it_is_still_this_nodes(
    monkeypatch: pytest.MonkeyPatch, seen: ClusterStatus | None, runs: bool
) -> None:
    def look() -> ClusterStatus:
        if seen is None:
            raise ClusterError("not a running member")
        return seen

    monkeypatch.setattr(pacemaker, "Pacemaker", lambda: SimpleNamespace(status=look))
    monkeypatch.setattr(deadman, "_CLUSTER_PATIENCE", 0.0)
    assert deadman._runs_here("web") is runs
