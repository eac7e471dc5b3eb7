# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VM agent against a libvirt host that does as it is told."""

from __future__ import annotations

import datetime
import json
import os
import re
import syslog
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import glance, vm
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code, Request
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import domain_xml
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    HostError,
    LibvirtUnreachable,
    VmGone,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Outcome, Progress
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.migration import live, switchover
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves

MIB = 1024**2
POLICY = {"max_downtime": 50, "bandwidth": 128 * MIB, "timeout": None, "auto_converge": False}

#: What was said to the cluster's journal.
RECORDED: list[dict[str, Any]] = []


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """A node with one VM, which goes through ``states``: the next one after every call that changes it."""

    def __init__(self, *states: State, reason: str = "") -> None:
        self.states = list(states)
        self.reason = reason
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.deaf = False
        self.moving: list[Progress | None] = []

    def seen(self, _name: str) -> Seen:
        return Seen(self.states[0], self.reason)

    def progress(self, _name: str) -> Progress | None:
        return self.moving[0] if self.moving else None

    def outcome(self, _name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(*arguments: Any, **_how: Any) -> None:
            shown = [str(argument) for argument in arguments if not str(argument).startswith("<")]
            self.calls.append(" ".join([name, *shown]))
            if name in self.fails:
                raise self.fails[name]
            if len(self.states) > 1 and not (name == "shut_down" and self.deaf) and not name.startswith("set"):
                self.states.pop(0)

        return do


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A node with an accelerator and the VM's disk."""
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(vm, "_ACCELERATOR", tmp_path / "accelerator.json")
    monkeypatch.setattr(moves, "_FOLDER", tmp_path / "moves")
    RECORDED.clear()
    monkeypatch.setattr(book, "record", RECORDED.append)
    monkeypatch.setattr(book, "members", list)
    (tmp_path / "accelerator.json").write_text('{"accelerator": "tcg"}')
    (tmp_path / "vda.qcow2").touch()
    return tmp_path


def request(node: Path, action: str, seconds: float = 100, clock: Clock | None = None, **changes: Any) -> Request:
    clock = clock or Clock()
    definition = {
        "kind": "vm",
        "name": "web",
        "uuid": "5e6ab3e1-2c1f-5b52-9f35-2b31cf2e4d7e",
        "vcpus": 1,
        "max_vcpus": 1,
        "memory": 256 * MIB,
        "max_memory": 256 * MIB,
        "cpu": None,
        "firmware": "bios",
        "kernel": None,
        "disks": [
            {
                "target": "vda",
                "source": {"type": "file", "path": f"{node}/vda.qcow2", "format": "qcow2"},
                "size": MIB,
                "readonly": False,
            }
        ],
        "nics": [],
        "migration": POLICY,
        "stop_timeout": 30,
        **changes,
    }
    return Request(
        action, "web", {"definition": json.dumps(definition)}, Deadline(seconds, clock, clock.sleep), "n2", "n1"
    )


@pytest.mark.parametrize(
    ("state", "calls"),
    [
        (State.ABSENT, ["create"]),
        (State.OFF, ["forget web", "create"]),
        (State.INCOMING, ["destroy web", "create"]),
        (State.RUNNING, []),
        (State.PAUSED, []),
    ],
)
def test_start(node: Path, state: State, calls: list[str]) -> None:
    host: Any = Host(state)
    assert vm.start(request(node, "start"), host) is Code.SUCCESS
    assert host.calls == calls


@pytest.mark.parametrize("state", [State.FAILED, State.LEAVING])
def test_start_refuses_a_vm_that_is_here_but_does_not_run(node: Path, state: State) -> None:
    host: Any = Host(state)
    with pytest.raises(AgentError, match="stopped before"):
        vm.start(request(node, "start"), host)
    assert host.calls == []


@pytest.mark.parametrize(("lost", "reason"), [("vda.qcow2", "storage mounted"), ("accelerator.json", "site.yml")])
def test_start_refuses_a_node_that_lacks_something(node: Path, lost: str, reason: str) -> None:
    (node / lost).unlink()
    host: Any = Host(State.ABSENT)
    with pytest.raises(AgentError, match=reason):
        vm.start(request(node, "start"), host)
    assert host.calls == []


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
    clock = Clock()
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


def test_a_vm_that_another_node_has_is_not_started(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchover, "elsewhere", lambda _name, _nodes: "n3")
    host: Any = Host(State.ABSENT)
    with pytest.raises(AgentError, match="web runs on n3"):
        vm.start(request(node, "start"), host)
    assert host.calls == []


def test_monitor_waits_for_one_that_is_still_to_come(node: Path) -> None:
    states = [State.INCOMING, State.INCOMING, State.RUNNING]
    host: Any = Host(State.RUNNING)
    host.seen = lambda _name: Seen(states.pop(0) if len(states) > 1 else states[0])
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    clock = Clock()
    host = Host(State.INCOMING)
    assert vm.monitor(request(node, "monitor", 30, clock), host) is Code.NOT_RUNNING
    assert clock.now == pytest.approx(22, abs=0.2)


def test_monitor_calls_off_a_migration_whose_agent_is_dead(node: Path) -> None:
    host: Any = Host(State.RUNNING)
    host.moving = [Progress(1, MIB, 0)]
    moves.progress("web")
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert host.calls == []
    moves.done("web")
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert host.calls == ["abort web"]


def test_a_migration_whose_agent_was_killed_is_on_record(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {"from": "n1", "to": "n2", "phase": "copying", "since": 1_700_000_000.5}
    moves.progress("web", **told)
    assert vm.monitor(request(node, "monitor"), Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
    assert RECORDED == []
    monkeypatch.setattr(moves, "_lives", lambda _move: False)
    for _again in range(2):
        assert vm.monitor(request(node, "monitor"), Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
    [entry] = RECORDED
    assert (entry["guest"], entry["from"], entry["to"], entry["result"]) == ("web", "n1", "n2", "failed")
    assert entry["started"] == "2023-11-14T22:13:20.500Z"
    assert entry["reason"] == "its agent was killed (copying) on n1"


def test_one_that_arrived_although_its_agent_was_killed_has_moved(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {"id": "7", "from": "n1", "to": "n2", "phase": "post-copy"}
    moves.progress("web", **told)
    monkeypatch.setattr(moves, "_lives", lambda _move: False)
    monkeypatch.setattr(switchover, "elsewhere", lambda _name, nodes: nodes[0])
    host: Any = Host(State.ABSENT)
    # There is no time for it now, and there will be.
    assert vm.monitor(request(node, "monitor", seconds=10), host) is Code.NOT_RUNNING
    assert RECORDED == []
    assert vm.monitor(request(node, "monitor"), host) is Code.NOT_RUNNING
    [entry] = RECORDED
    assert (entry["id"], entry["result"], entry["path"]) == ("7", "moved", ["its agent was killed (post-copy)"])


def test_monitor_tells_why_a_vm_failed(node: Path) -> None:
    host: Any = Host(State.FAILED, reason="I/O error")
    with pytest.raises(AgentError, match=r"web is failed \(I/O error\)"):
        vm.monitor(request(node, "monitor"), host)


def test_a_failed_migration_says_where_the_vm_is(node: Path) -> None:
    host: Any = Host(State.RUNNING)
    host.fails["migrate"] = HostError("connection refused")
    with pytest.raises(AgentError, match="could not migrate to n2, it goes on here: n2 cannot be reached"):
        vm.migrate_to(request(node, "migrate_to"), lambda: host)
    [entry] = RECORDED
    assert (entry["result"], entry["reason"]) == ("failed", "n2 cannot be reached (connection refused)")


def test_one_that_ends_on_its_way_is_left_to_the_cluster_to_find(node: Path) -> None:
    host: Any = Host(State.RUNNING)

    def migrate(*_arguments: Any, **_how: Any) -> None:
        host.states = [State.ABSENT]
        raise HostError("domain is not running")

    host.migrate = migrate
    assert vm.migrate_to(request(node, "migrate_to"), lambda: host) is Code.SUCCESS
    [entry] = RECORDED
    assert (entry["result"], entry["reason"]) == ("failed", "domain is not running")


def test_only_a_running_vm_migrates(node: Path) -> None:
    host: Any = Host(State.FAILED)
    with pytest.raises(AgentError, match="cannot migrate"):
        vm.migrate_to(request(node, "migrate_to"), lambda: host)
    assert host.calls == []
    assert [entry["reason"] for entry in RECORDED] == ["web cannot migrate: it is failed"]


def test_a_migration_that_libvirt_has_no_ear_for_is_on_record(node: Path) -> None:
    def connect() -> Any:
        raise LibvirtUnreachable("libvirt does not answer on this node")

    with pytest.raises(LibvirtUnreachable):
        vm.migrate_to(request(node, "migrate_to"), connect)
    host: Any = Host(State.RUNNING)
    host.fails["set_max_downtime"] = HostError("no job")
    with pytest.raises(AgentError, match="it goes on here: no job"):
        vm.migrate_to(request(node, "migrate_to"), lambda: host)
    reasons = ["libvirt does not answer on this node", "no job"]
    assert [(entry["result"], entry["reason"]) for entry in RECORDED] == [("failed", reason) for reason in reasons]


def test_migrate_from(node: Path) -> None:
    host: Any = Host(State.RUNNING)
    moves.arrived("web", {"forwarded": 3, "rounds": 1})
    host.outcome = lambda _name: Outcome(1200, 21, 3, 64 * MIB)
    assert vm.migrate_from(request(node, "migrate_from"), host) is Code.SUCCESS
    [entry] = RECORDED
    expected = {"guest": "web", "from": "n1", "result": "moved", "downtime_ms": 21, "seconds": 1.2, "rounds": 3}
    assert {key: entry[key] for key in expected} == expected
    assert entry["forwarded"] == 3


def test_monitor_completes_the_record_of_an_arrival_that_nobody_asked_for(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host: Any = Host(State.RUNNING)
    host.outcome = lambda _name: Outcome(1200, 21, 3, 64 * MIB)
    moves.arrived("web", {"from": "n3", "forwarded": 3})
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert RECORDED == []
    monkeypatch.setattr(moves, "unheard", lambda _guest: True)
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    [entry] = RECORDED
    assert (entry["from"], entry["result"], entry["downtime_ms"]) == ("n3", "moved", 21)
    assert moves.take("web") == {}


def test_a_vm_that_ended_on_its_way_starts_anew_where_it_was_to_go(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host: Any = Host(State.ABSENT)
    assert vm.migrate_from(request(node, "migrate_from"), host) is Code.SUCCESS
    assert [call.split()[0] for call in host.calls] == ["create"]
    [entry] = RECORDED
    assert (entry["guest"], entry["from"], entry["result"]) == ("web", "n1", "failed")
    assert entry["reason"] == "it ended on its way and was started anew"
    monkeypatch.setattr(switchover, "elsewhere", lambda _name, _nodes: "n1")
    with pytest.raises(AgentError, match="runs on n1"):
        vm.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]


def test_a_failure_that_the_source_has_told_is_not_told_again(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)
    told = {"guest": "web", "result": "failed", "ended": now.isoformat()}
    monkeypatch.setattr(book.Book, "entries", lambda _self: [told, {"guest": "db", "result": "moved"}])
    vm.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]
    assert RECORDED == []
    # But one that the source took for arrived is no arrival, nor what failed an hour ago this one's failure.
    moves.arrived("web", {"from": "n1", "result": "moved", "rounds": 3})
    vm.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]
    assert [(entry["result"], entry["rounds"]) for entry in RECORDED] == [("failed", 3)]
    assert moves.take("web") == {}
    told["ended"] = (now - datetime.timedelta(hours=1)).isoformat()
    vm.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]
    assert len(RECORDED) == 2


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

    monkeypatch.setattr(vm, "LibvirtHost", connect)
    monkeypatch.setattr(vm, "kill_emulator", lambda *_arguments: pytest.fail("its power was cut"))
    assert vm._stop_with_fallback(request(node, "stop", clock=Clock())) is Code.SUCCESS
    assert "shut_down web" in after.calls


@pytest.mark.parametrize(("alive", "code"), [(False, Code.SUCCESS), (True, None)])
def test_a_migration_that_took_the_daemon_along_asks_the_new_one(
    node: Path, monkeypatch: pytest.MonkeyPatch, alive: bool, code: Code | None
) -> None:
    class Dead(Host):
        def seen(self, name: str) -> Seen:
            if self.calls:
                raise LibvirtUnreachable("client socket is closed")
            return super().seen(name)

    class Failing:
        record: ClassVar[dict[str, Any]] = {"path": []}

        def __init__(self, _definition: object, _source: object, _target: object, host: Any) -> None:
            self.host = host

        def run(self, _left: float) -> None:
            self.host.calls.append("migrate")
            raise live.MigrationFailed("the daemon ended")

    monkeypatch.setattr(live, "LiveMigration", Failing)
    monkeypatch.setattr(vm, "LibvirtHost", lambda: Host(State.RUNNING if alive else State.ABSENT))
    monkeypatch.setattr(vm, "emulator_pid", lambda _name: 7 if alive else None)
    dead: Any = Dead(State.RUNNING)
    call = request(node, "migrate_to")
    if code is None:
        with pytest.raises(AgentError, match="it goes on here"):
            vm.migrate_to(call, lambda: dead)
    else:
        assert vm.migrate_to(call, lambda: dead) is code


@pytest.mark.parametrize("text", ["{", '{"name": "web"}', '{"name": "web", "kind": "vm", "schema": 99}', "{}"])
def test_no_definition_keeps_a_vm_from_being_looked_after_and_stopped(node: Path, text: str) -> None:
    call = request(node, "monitor")._replace(parameters={"definition": text})
    assert vm.monitor(call, Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
    assert vm.monitor(call, Host(State.ABSENT)) is Code.NOT_RUNNING  # type: ignore[arg-type]
    assert vm.stop(call, Host(State.RUNNING, State.ABSENT)) is Code.SUCCESS  # type: ignore[arg-type]
    assert vm.reload_agent(call, Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [HostError("no"), OSError("full"), KeyError("x")])
def test_house_keeping_fails_neither_a_monitor_nor_a_stop(
    node: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(moves, "note_death", broken)
    assert vm.monitor(request(node, "monitor"), Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
    off: Any = Host(State.OFF)
    off.fails["forget"] = error
    assert vm.stop(request(node, "stop"), off) is Code.SUCCESS


def test_only_a_vm_in_order_is_trusted_for_a_while(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noticed: list[int] = []
    monkeypatch.setattr(glance, "notice", lambda _name, pid: noticed.append(pid))
    monkeypatch.setattr(vm, "emulator_pid", lambda _name: 7)
    for state in (State.PAUSED, State.LEAVING):
        vm.monitor(request(node, "monitor"), Host(state))  # type: ignore[arg-type]
    moving: Any = Host(State.RUNNING)
    moving.moving = [Progress(1, MIB, 0)]
    vm.monitor(request(node, "monitor"), moving)
    assert noticed == []
    vm.monitor(request(node, "monitor"), Host(State.RUNNING))  # type: ignore[arg-type]
    assert noticed == [7]


def test_a_daemon_that_does_not_come_back_is_done_without(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    ended: list[float] = []

    def end(*_arguments: Any) -> bool:
        ended.append(clock.now)
        return True

    def connect() -> Any:
        raise LibvirtUnreachable("refused")

    monkeypatch.setattr(vm, "LibvirtHost", connect)
    monkeypatch.setattr(vm, "kill_emulator", end)
    assert vm._stop_with_fallback(request(node, "stop", clock=clock)) is Code.SUCCESS
    assert ended and 10 <= ended[0] < 11


@pytest.mark.parametrize(("state", "reason"), [(State.FAILED, "did not arrive from n1"), (State.INCOMING, "arrival")])
def test_migrate_from_does_not_take_a_shell_for_the_vm(node: Path, state: State, reason: str) -> None:
    host: Any = Host(state)
    with pytest.raises(AgentError, match=reason):
        vm.migrate_from(request(node, "migrate_from", seconds=10), host)
    [entry] = RECORDED
    assert (entry["result"], entry["from"], entry["to"]) == ("failed", "n1", os.uname().nodename)
    assert re.search(reason, entry["reason"])


def test_reload_applies_what_it_can_and_never_fails(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (
        Change("vcpus", "1", "2", "set-vcpus", value=2),
        Change("memory", "1GiB", "2GiB", "set-memory", value=2),
        Change("cpu", "a", "b", "restart"),
    )
    monkeypatch.setattr(domain_xml, "difference", lambda *_arguments: changes)
    monkeypatch.setattr(domain_xml, "remembered", lambda *_arguments: "<definition/>")
    host: Any = Host(State.RUNNING)
    host.apply = lambda _name, change: host.calls.append(f"apply {change.path}")
    assert vm.reload_agent(request(node, "reload-agent"), host) is Code.SUCCESS
    assert host.calls == [
        "live_xml web",
        "disk_sizes web ['vda']",
        "apply vcpus",
        "apply memory",
        f"remember web {domain_xml.METADATA_URI}",
    ]
    host = Host(State.RUNNING)
    host.fails["apply"] = HostError("no")
    assert vm.reload_agent(request(node, "reload-agent"), host) is Code.SUCCESS
