# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container agent against an LXC host that does as it is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import lxc_config
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_host import LxcError
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress, relocation, rootfs_receiver
from ansible_collections.cspp.drover.tests.unit.agents.container_node import MIB, Host, definition, request


@pytest.mark.parametrize(
    ("states", "calls"),
    [
        (["STOPPED", "RUNNING"], ["start 94.0", "announce"]),
        (["RUNNING"], []),
        (["FROZEN"], []),
        (["STARTING", "RUNNING"], []),
        (["STOPPING", "STOPPED", "RUNNING"], ["start 93.9", "announce"]),
    ],
)
def test_start(rootfs: Path, states: list[str], calls: list[str]) -> None:
    host: Any = Host(*states)
    host.start = lambda _name, _config, timeout: host.calls.append(f"start {timeout}")
    host.announce = lambda _name, _nics: host.calls.append("announce")
    assert container.start(request(rootfs, "start"), host) is Code.SUCCESS
    assert host.calls == calls


def test_start_refuses_a_node_without_the_root_file_system(rootfs: Path) -> None:
    (rootfs / "sbin").rmdir()
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match=r"waits for its storage: .* is not mounted here"):
        container.start(request(rootfs, "start"), host)
    assert host.calls == []


def test_start_fails_when_init_ends_at_once(rootfs: Path) -> None:
    host: Any = Host("STOPPED")
    with pytest.raises(AgentError, match="ended at once"):
        container.start(request(rootfs, "start"), host)


@pytest.mark.parametrize("error", [OSError("gone"), LxcError("gone")])
def test_a_container_that_cannot_be_announced_runs_all_the_same(rootfs: Path, error: Exception) -> None:
    host: Any = Host("STOPPED", "RUNNING")
    host.fails["announce"] = error
    assert container.start(request(rootfs, "start"), host) is Code.SUCCESS


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
    assert container.stop(request(rootfs, "stop", seconds), host) is Code.SUCCESS
    assert host.calls == calls


def test_stop_kills_what_does_not_halt(rootfs: Path) -> None:
    host: Any = Host("RUNNING", "STOPPED")
    host.fails["stop"] = LxcError("did not end within 35 s")
    assert container.stop(request(rootfs, "stop"), host) is Code.SUCCESS
    assert host.calls == ["stop 30 timeout=35.0", "kill timeout=92.0", "forget"]


def test_stop_does_not_forget_what_still_runs(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    with pytest.raises(AgentError, match="could not be killed"):
        container.stop(request(rootfs, "stop"), host)
    assert "forget" not in host.calls


def test_storage_that_has_gone_silent_does_not_hold_up_a_stop(rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocation, "_PATIENCE", 0.05)
    os.mkfifo(rootfs.parent / f".stopped.json.{os.getpid()}")  # to write to it waits for a reader that never comes
    host: Any = Host("RUNNING", "STOPPED")
    assert container.stop(request(rootfs, "stop"), host) is Code.SUCCESS
    assert [call.split()[0] for call in host.calls] == ["stop", "forget"]


@pytest.mark.parametrize(
    ("state", "code"),
    [("RUNNING", Code.SUCCESS), ("FROZEN", Code.SUCCESS), ("STOPPING", Code.SUCCESS), ("STOPPED", Code.NOT_RUNNING)],
)
def test_monitor(rootfs: Path, state: str, code: Code) -> None:
    host: Any = Host(state)
    assert container.monitor(request(rootfs, "monitor"), host) is code


def test_reload_sets_limits_and_leaves_the_rest_pending(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.live = lxc_config.render(definition(rootfs), {"memory", "cpu"})
    wanted = {"memory": 512 * MIB, "privileged": True}
    assert container.reload_agent(request(rootfs, "reload-agent", **wanted), host) is Code.SUCCESS
    assert host.calls == ["set_limits {'memory.max': '536870912', 'cpu.max': '100000 100000'}"]
    left = lxc_config.difference(host.live, definition(rootfs, **wanted))
    assert [(change.path, change.how) for change in left] == [("privileged", "restart")]


def test_reload_never_fails(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.live = before = lxc_config.render(definition(rootfs), {"memory", "cpu"})
    host.fails["set_limits"] = LxcError("no such cgroup")
    changed = request(rootfs, "reload-agent", memory=512 * MIB)
    assert container.reload_agent(changed, host) is Code.SUCCESS
    assert host.live == before


class Hung(Host):
    """A node whose LXC does not answer for the container, whose processes are there all the same."""

    def __init__(self, *pids: int, ends: bool = True) -> None:
        super().__init__("RUNNING")
        self.pids, self.ends = pids, ends

    def state(self, _name: str) -> str:
        raise LxcError("lxc-info did not end within 15 s")

    def processes(self, _name: str) -> tuple[int, ...]:
        return self.pids

    def end(self, _name: str, patience: float, left: Callable[[], float], _sleep: object) -> bool:
        self.calls.append(f"end {patience:g} of {left():g}")
        return self.ends


@pytest.mark.parametrize(("pids", "code"), [((7, 8), Code.SUCCESS), ((), Code.NOT_RUNNING)])
def test_a_monitor_does_without_lxc(rootfs: Path, pids: tuple[int, ...], code: Code) -> None:
    host: Any = Hung(*pids)
    assert container._monitor_with_fallback(request(rootfs, "monitor"), host) is code


@pytest.mark.parametrize(("pids", "words"), [((7, 8), ["rootfs", "stopped.json"]), ((), ["rootfs"])])
def test_a_stop_does_without_lxc(rootfs: Path, pids: tuple[int, ...], words: list[str]) -> None:
    host: Any = Hung(*pids)
    assert container._stop_with_fallback(request(rootfs, "stop"), host) is Code.SUCCESS
    assert host.calls == ["end 30 of 100", "forget"]
    assert sorted(path.name for path in rootfs.parent.iterdir()) == words


def test_what_cannot_be_killed_is_not_said_to_be_stopped(rootfs: Path) -> None:
    host: Any = Hung(7, 8, ends=False)
    assert container._stop_with_fallback(request(rootfs, "stop"), host) is Code.ERR_GENERIC
    assert "forget" not in host.calls


def test_a_stop_ends_what_lxc_could_not_kill(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    host.fails = {"stop": LxcError("hangs"), "kill": LxcError("hangs")}
    host.end = lambda *_arguments: True
    assert container.stop(request(rootfs, "stop"), host) is Code.SUCCESS


@pytest.mark.parametrize("action", ["monitor", "stop"])
@pytest.mark.parametrize("error", [LxcError("hangs"), OSError("full"), KeyError("x"), RuntimeError("anything")])
def test_house_keeping_fails_nothing(
    rootfs: Path, monkeypatch: pytest.MonkeyPatch, action: str, error: Exception
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(progress, "note_death", broken)
    monkeypatch.setattr(rootfs_receiver, "tidy", broken)
    local = {"rootfs": {"type": "directory", "path": str(rootfs), "shared": False}}
    host: Any = Host("STOPPED")
    host.fails = {"forget": error}
    do, code = (container.stop, Code.SUCCESS) if action == "stop" else (container.monitor, Code.NOT_RUNNING)
    assert do(request(rootfs, action, **local), host) is code
    host = Host("RUNNING")
    host.fails = {"init_pid": error}
    assert container.monitor(request(rootfs, "monitor", **local), host) is Code.SUCCESS


@pytest.mark.parametrize("text", ["{", '{"name": "web"}', '{"name": "web", "kind": "container", "schema": 99}', "{}"])
def test_no_definition_keeps_a_container_from_being_looked_after_and_stopped(rootfs: Path, text: str) -> None:
    call = request(rootfs, "monitor")._replace(parameters={"definition": text})
    assert container.monitor(call, Host("RUNNING")) is Code.SUCCESS  # type: ignore[arg-type]
    assert container.monitor(call, Host("STOPPED")) is Code.NOT_RUNNING  # type: ignore[arg-type]
    assert container.stop(call, Host("RUNNING", "STOPPED")) is Code.SUCCESS  # type: ignore[arg-type]


def test_a_change_that_is_not_understood_changes_nothing(rootfs: Path) -> None:
    host: Any = Host("RUNNING")
    changed = request(rootfs, "reload-agent", memory=512 * MIB, schema=99)
    assert container.reload_agent(changed, host) is Code.SUCCESS
    assert host.calls == []
