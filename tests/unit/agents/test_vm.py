# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VM agent against a libvirt host that does as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import libvirt_daemon, vm
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml, vcpus
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    HostError,
    LibvirtUnreachable,
    VmGone,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Progress
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.tests.unit.agents.vm_node import MIB, Host, request
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime


@pytest.mark.parametrize(
    ("states", "calls"),
    [
        ([State.ABSENT], []),
        ([State.OFF], ["forget web"]),
        ([State.RUNNING, State.ABSENT], ["shut_down web"]),
        ([State.RUNNING, State.OFF], ["shut_down web", "forget web"]),
        ([State.PAUSED, State.RUNNING, State.ABSENT], ["resume web", "shut_down web"]),
        ([State.FAILED, State.ABSENT], ["destroy web"]),
        ([State.INCOMING, State.ABSENT], ["destroy web"]),
        ([State.LEAVING, State.ABSENT], ["destroy web"]),
    ],
)
def test_stop(node: Path, states: list[State], calls: list[str]) -> None:
    host: Any = Host(*states)
    assert vm.stop(request(node, "stop"), host) is Code.SUCCESS
    assert host.calls == calls


@pytest.mark.parametrize(("seconds", "presses", "at"), [(100, 6, 30), (60, 6, 30), (30, 3, 15)])
def test_stop_cuts_the_power_of_a_deaf_vm_in_time(node: Path, seconds: float, presses: int, at: float) -> None:
    clock = FakeTime()
    host: Any = Host(State.RUNNING, State.ABSENT)
    host.deaf = True
    assert vm.stop(request(node, "stop", seconds, clock), host) is Code.SUCCESS
    assert host.calls == ["shut_down web"] * presses + ["destroy web"]
    assert clock.now == pytest.approx(at, abs=0.2)


def test_stop_calls_off_a_migration_that_nobody_waits_for(node: Path) -> None:
    host: Any = Host(State.RUNNING, State.RUNNING, State.ABSENT)
    host.moving = [Progress(1, MIB, 0)]
    assert vm.stop(request(node, "stop"), host) is Code.SUCCESS
    assert host.calls == ["abort web", "shut_down web"]


def test_a_paused_vm_that_cannot_go_on_has_its_power_cut(node: Path) -> None:
    host: Any = Host(State.PAUSED, State.ABSENT)
    host.fails["resume"] = HostError("no")
    assert vm.stop(request(node, "stop"), host) is Code.SUCCESS
    assert host.calls == ["resume web", "destroy web"]


def test_a_vm_that_is_still_there_is_not_said_to_be_stopped(node: Path) -> None:
    host: Any = Host(State.FAILED)
    with pytest.raises(AgentError, match="could not be ended"):
        vm.stop(request(node, "stop"), host)


def test_a_vm_that_ends_while_it_is_stopped_is_stopped(node: Path) -> None:
    host: Any = Host(State.FAILED)
    host.fails["destroy"] = VmGone("no domain")
    host.seen = lambda _name: Seen(State.ABSENT if host.calls else State.FAILED)
    assert vm.stop(request(node, "stop"), host) is Code.SUCCESS


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.RUNNING, Code.SUCCESS),
        (State.PAUSED, Code.SUCCESS),
        (State.LEAVING, Code.SUCCESS),
        (State.INCOMING, Code.NOT_RUNNING),
        (State.OFF, Code.NOT_RUNNING),
        (State.ABSENT, Code.NOT_RUNNING),
    ],
)
def test_monitor(node: Path, state: State, code: Code) -> None:
    host: Any = Host(state)
    assert vm.monitor(request(node, "monitor"), host) is code


def test_monitor_waits_for_one_that_is_still_to_come(node: Path) -> None:
    states = [State.INCOMING, State.INCOMING, State.RUNNING]
    host: Any = Host(State.RUNNING)
    host.seen = lambda _name: Seen(states.pop(0) if len(states) > 1 else states[0])
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    clock = FakeTime()
    host = Host(State.INCOMING)
    assert vm.monitor(request(node, "monitor", 30, clock), host) is Code.NOT_RUNNING
    assert clock.now == pytest.approx(22, abs=0.2)


def test_monitor_tells_why_a_vm_failed(node: Path) -> None:
    host: Any = Host(State.FAILED, reason="I/O error")
    with pytest.raises(AgentError, match=r"web is failed \(I/O error\)"):
        vm.monitor(request(node, "monitor"), host)


def test_a_daemon_that_is_started_anew_cuts_no_power(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Restarted(Host):
        def seen(self, name: str) -> Seen:
            if "shut_down web" in self.calls:
                raise LibvirtUnreachable("client socket is closed")
            return super().seen(name)

    after = Host(State.RUNNING, State.ABSENT)
    daemons = [Restarted(State.RUNNING), LibvirtUnreachable("refused"), LibvirtUnreachable("refused"), after]

    def connect() -> Any:
        daemon = daemons.pop(0)
        if isinstance(daemon, Exception):
            raise daemon
        return daemon

    for module in (vm, libvirt_daemon):
        monkeypatch.setattr(module, "LibvirtHost", connect)
    monkeypatch.setattr(vm, "kill_emulator", lambda *_arguments: pytest.fail("its power was cut"))
    assert vm._stop_with_fallback(request(node, "stop", clock=FakeTime())) is Code.SUCCESS
    assert "shut_down web" in after.calls


@pytest.mark.parametrize("text", ["{", '{"name": "web"}', '{"name": "web", "kind": "vm", "schema": 99}', "{}"])
def test_no_definition_keeps_a_vm_from_being_looked_after_and_stopped(node: Path, text: str) -> None:
    call = request(node, "monitor")._replace(parameters={"definition": text})
    assert vm.monitor(call, Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
    assert vm.monitor(call, Host(State.ABSENT)) is Code.NOT_RUNNING  # type: ignore[arg-type]
    assert vm.stop(call, Host(State.RUNNING, State.ABSENT)) is Code.SUCCESS  # type: ignore[arg-type]
    assert vm.reload_agent(call, Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]


def test_a_daemon_that_does_not_come_back_is_done_without(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeTime()
    ended: list[float] = []

    def end(*_arguments: Any) -> bool:
        ended.append(clock.now)
        return True

    def connect() -> Any:
        raise LibvirtUnreachable("refused")

    for module in (vm, libvirt_daemon):
        monkeypatch.setattr(module, "LibvirtHost", connect)
    monkeypatch.setattr(vm, "kill_emulator", end)
    assert vm._stop_with_fallback(request(node, "stop", clock=clock)) is Code.SUCCESS
    assert ended and 10 <= ended[0] < 11


def test_reload_applies_what_it_can_and_never_fails(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (
        Change("vcpus", "1", "2", "set-vcpus", value=2),
        Change("memory", "1GiB", "2GiB", "set-memory", value=2),
        Change("cpu", "a", "b", "restart"),
    )
    monkeypatch.setattr(domain_xml, "difference", lambda *_arguments: changes)
    monkeypatch.setattr(domain_xml, "remembered", lambda *_arguments: "<definition/>")
    monkeypatch.setattr(vm, "emulator_pid", lambda _name: 7)
    monkeypatch.setattr(vcpus, "in_use", lambda _pid: 2)
    host: Any = Host(State.RUNNING)
    host.apply = lambda _name, change: host.calls.append(f"apply {change.path}")
    assert vm.reload_agent(request(node, "reload-agent"), host) is Code.SUCCESS
    assert host.calls == [
        "live_xml web",
        "disk_sizes web ['vda']",
        "apply vcpus",
        "bring_online web 2",
        "apply memory",
        f"remember web {domain_xml.METADATA_URI}",
    ]
    host = Host(State.RUNNING)
    host.fails["apply"] = HostError("no")
    assert vm.reload_agent(request(node, "reload-agent"), host) is Code.SUCCESS
