# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container agent against an LXC host that does as it is told."""

from __future__ import annotations

import json
import syslog
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils import agent_container, container
from ansible_collections.cspp.drover.plugins.module_utils.lxc_host import LxcError
from ansible_collections.cspp.drover.plugins.module_utils.ocf import AgentError, Code, Deadline, Request

MIB = 1024**2


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """A node with one container, which goes through ``states``: the next one after every look."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.live = ""

    def state(self, _name: str) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def config(self, _name: str) -> str:
        return self.live

    def write_config(self, _name: str, config: str) -> None:
        self.live = config

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(_name: str, *arguments: object, **options: object) -> None:
            what = [str(argument) for argument in arguments if isinstance(argument, (int, dict))]
            what += [f"{key}={value}" for key, value in options.items()]
            self.calls.append(" ".join([name, *what]))
            if name in self.fails:
                raise self.fails[name]

        return do


@pytest.fixture
def rootfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(agent_container, "controllers", lambda: {"memory", "cpu"})
    (tmp_path / "sbin").mkdir()
    return tmp_path


def definition(rootfs: Path, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "container",
        "name": "web",
        "vcpus": 1,
        "memory": 256 * MIB,
        "privileged": False,
        "idmap": {"start": 10000000, "count": 65536},
        "rootfs": {"type": "directory", "path": str(rootfs)},
        "nics": [],
        "stop_timeout": 30,
        **changes,
    }


def request(rootfs: Path, action: str, seconds: float = 100, **changes: Any) -> Request:
    clock = Clock()
    parameters = {"definition": json.dumps(definition(rootfs, **changes))}
    return Request(action, "web", parameters, Deadline(seconds, clock, clock.sleep))


@pytest.mark.parametrize(
    ("states", "calls"),
    [
        (["STOPPED", "RUNNING"], ["start 98.0", "announce"]),
        (["RUNNING"], []),
        (["FROZEN"], []),
        (["STARTING", "RUNNING"], []),
        (["STOPPING", "STOPPED", "RUNNING"], ["start 97.9", "announce"]),
    ],
)
def test_start(rootfs: Path, states: list[str], calls: list[str]) -> None:
    host: Any = Host(*states)
    host.start = lambda _name, _config, timeout: host.calls.append(f"start {timeout}")
    host.announce = lambda _name, _nics: host.calls.append("announce")
    assert agent_container.start(request(rootfs, "start"), host) is Code.SUCCESS
    assert host.calls == calls


def test_start_refuses_a_node_without_the_root_file_system(rootfs: Path) -> None:
    (rootfs / "sbin").rmdir()
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="storage mounted"):
        agent_container.start(request(rootfs, "start"), host)
    assert host.calls == []


def test_start_fails_when_init_ends_at_once(rootfs: Path) -> None:
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="ended at once"):
        agent_container.start(request(rootfs, "start"), host)


@pytest.mark.parametrize("error", [OSError("gone"), LxcError("gone")])
def test_a_container_that_cannot_be_announced_runs_all_the_same(rootfs: Path, error: Exception) -> None:
    host: Any = Host("STOPPED", "RUNNING")
    host.fails["announce"] = error
    assert agent_container.start(request(rootfs, "start"), host) is Code.SUCCESS


@pytest.mark.parametrize(
    ("states", "seconds", "calls"),
    [
        (["STOPPED"], 100, ["forget"]),
        (["RUNNING", "STOPPED"], 100, ["stop 30 timeout=35.0", "forget"]),
        (["RUNNING", "STOPPED"], 20, ["stop 10 timeout=15.0", "forget"]),
        (["FROZEN", "STOPPED"], 40, ["stop 25 timeout=30.0", "forget"]),
    ],
)
def test_stop(rootfs: Path, states: list[str], seconds: float, calls: list[str]) -> None:
    host: Any = Host(*states)
    assert agent_container.stop(request(rootfs, "stop", seconds), host) is Code.SUCCESS
    assert host.calls == calls


def test_stop_kills_what_does_not_halt(rootfs: Path) -> None:
    host: Any = Host("RUNNING", "STOPPED")
    host.fails["stop"] = LxcError("did not end within 35 s")
    assert agent_container.stop(request(rootfs, "stop"), host) is Code.SUCCESS
    assert host.calls == ["stop 30 timeout=35.0", "kill timeout=99.0", "forget"]


def test_stop_does_not_forget_what_still_runs(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    with pytest.raises(AgentError, match="could not be killed"):
        agent_container.stop(request(rootfs, "stop"), host)
    assert "forget" not in host.calls


@pytest.mark.parametrize(
    ("state", "code"),
    [("RUNNING", Code.SUCCESS), ("FROZEN", Code.SUCCESS), ("STOPPING", Code.SUCCESS), ("STOPPED", Code.NOT_RUNNING)],
)
def test_monitor(rootfs: Path, state: str, code: Code) -> None:
    host: Any = Host(state)
    assert agent_container.monitor(request(rootfs, "monitor"), host) is code


def test_reload_sets_limits_and_leaves_the_rest_pending(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.live = container.render(definition(rootfs), {"memory", "cpu"})
    wanted = {"memory": 512 * MIB, "privileged": True}
    assert agent_container.reload_agent(request(rootfs, "reload-agent", **wanted), host) is Code.SUCCESS
    assert host.calls == ["set_limits {'memory.max': '536870912', 'cpu.max': '100000 100000'}"]
    left = container.difference(host.live, definition(rootfs, **wanted))
    assert [(change.path, change.how) for change in left] == [("privileged", "restart")]


def test_reload_never_fails(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.live = before = container.render(definition(rootfs), {"memory", "cpu"})
    host.fails["set_limits"] = LxcError("no such cgroup")
    changed = request(rootfs, "reload-agent", memory=512 * MIB)
    assert agent_container.reload_agent(changed, host) is Code.SUCCESS
    assert host.live == before
