# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's migration as its agents make it: at its source, and at its target."""

from __future__ import annotations

import datetime
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import leaving, libvirt_daemon, vm, vm_migration
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    HostError,
    LibvirtUnreachable,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Outcome
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.migration import disk_notes, live, whereabouts
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.migration.record import MigrationFailed
from ansible_collections.cspp.drover.plugins.module_utils.storage import ownership
from ansible_collections.cspp.drover.tests.unit.agents.vm_node import MIB, RECORDED, Host, request


def test_a_failed_migration_says_where_the_vm_is(node: Path) -> None:
    host: Any = Host(State.RUNNING)
    host.fails["migrate"] = HostError("connection refused")
    with pytest.raises(AgentError, match="could not migrate to n2, it goes on here: n2 cannot be reached"):
        vm_migration.migrate_to(request(node, "migrate_to"), lambda: host)
    [entry] = RECORDED
    assert (entry["result"], entry["reason"]) == ("failed", "n2 cannot be reached (connection refused)")


def test_one_that_ends_on_its_way_is_left_to_the_cluster_to_find(node: Path) -> None:
    host: Any = Host(State.RUNNING)

    def migrate(*_arguments: Any, **_how: Any) -> None:
        host.states = [State.ABSENT]
        raise HostError("domain is not running")

    host.migrate = migrate
    assert vm_migration.migrate_to(request(node, "migrate_to"), lambda: host) is Code.SUCCESS
    [entry] = RECORDED
    assert (entry["result"], entry["reason"]) == ("failed", "domain is not running")


def test_one_whose_node_goes_down_is_shut_down_where_that_is_the_rule(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "stops_guests", lambda name: name == "n1")
    host: Any = Host(State.RUNNING, State.ABSENT)
    assert vm_migration.migrate_to(request(node, "migrate_to"), lambda: host) is Code.SUCCESS
    assert host.calls == ["shut_down web"]
    assert RECORDED == []


def test_one_that_cannot_migrate_does_not_keep_its_node_from_going_down(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "goes_down", lambda name: name == "n1")
    host: Any = Host(State.RUNNING)
    host.fails["migrate"] = HostError("connection refused")

    def shut_down(_name: str) -> None:
        host.calls.append("shut down")
        host.states = [State.ABSENT]

    host.shut_down = shut_down
    assert vm_migration.migrate_to(request(node, "migrate_to"), lambda: host) is Code.SUCCESS
    assert host.calls[-1] == "shut down"
    [entry] = RECORDED
    assert entry["result"] == "failed"


def test_only_a_running_vm_migrates(node: Path) -> None:
    host: Any = Host(State.FAILED)
    with pytest.raises(AgentError, match="cannot migrate"):
        vm_migration.migrate_to(request(node, "migrate_to"), lambda: host)
    assert host.calls == []
    assert [entry["reason"] for entry in RECORDED] == ["web cannot migrate: it is failed"]


def test_a_migration_that_libvirt_has_no_ear_for_is_on_record(node: Path) -> None:
    def connect() -> Any:
        raise LibvirtUnreachable("libvirt does not answer on this node")

    with pytest.raises(LibvirtUnreachable):
        vm_migration.migrate_to(request(node, "migrate_to"), connect)
    host: Any = Host(State.RUNNING)
    host.fails["set_max_downtime"] = HostError("no job")
    with pytest.raises(AgentError, match="it goes on here: no job"):
        vm_migration.migrate_to(request(node, "migrate_to"), lambda: host)
    reasons = ["libvirt does not answer on this node", "no job"]
    assert [(entry["result"], entry["reason"]) for entry in RECORDED] == [("failed", reason) for reason in reasons]


def test_migrate_from(node: Path) -> None:
    host: Any = Host(State.RUNNING)
    moves.arrived("web", {"forwarded": 3, "rounds": 1})
    host.outcome = lambda _name: Outcome(1200, 21, 3, 64 * MIB)
    assert vm_migration.migrate_from(request(node, "migrate_from"), host) is Code.SUCCESS
    [entry] = RECORDED
    expected = {"guest": "web", "from": "n1", "result": "moved", "downtime_ms": 21, "seconds": 1.2, "rounds": 3}
    assert {key: entry[key] for key in expected} == expected
    assert entry["forwarded"] == 3


@pytest.mark.parametrize(("shared", "claimed"), [(False, ["web"]), (True, [])])
def test_whoever_has_the_vm_has_its_data_also_when_its_source_died_before_it_said_so(
    node: Path, monkeypatch: pytest.MonkeyPatch, shared: bool, claimed: list[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr(ownership, "claim", said.append)
    source = {"type": "file", "path": f"{node}/vda.qcow2", "format": "qcow2", "shared": shared}
    disks = [{"target": "vda", "source": source, "size": MIB, "readonly": False}]
    moved = request(node, "migrate_from", disks=disks)
    assert vm_migration.migrate_from(moved, Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
    assert said == claimed


def test_a_vm_that_ended_on_its_way_starts_anew_where_it_was_to_go(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host: Any = Host(State.ABSENT)
    assert vm_migration.migrate_from(request(node, "migrate_from"), host) is Code.SUCCESS
    assert [call.split()[0] for call in host.calls] == ["create"]
    [entry] = RECORDED
    assert (entry["guest"], entry["from"], entry["result"]) == ("web", "n1", "failed")
    assert entry["reason"] == "it ended on its way and was started anew"
    monkeypatch.setattr(whereabouts, "elsewhere", lambda _name, _seconds, **_how: "n1")
    with pytest.raises(AgentError, match="runs on n1"):
        vm_migration.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]


def test_a_failure_that_the_source_has_told_is_not_told_again(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)
    told = {"guest": "web", "result": "failed", "ended": now.isoformat()}
    monkeypatch.setattr(book.Book, "entries", lambda _self: [told, {"guest": "db", "result": "moved"}])
    vm_migration.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]
    assert RECORDED == []
    # But one that the source took for arrived is no arrival, nor what failed an hour ago this one's failure.
    moves.arrived("web", {"from": "n1", "result": "moved", "rounds": 3})
    vm_migration.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]
    assert [(entry["result"], entry["rounds"]) for entry in RECORDED] == [("failed", 3)]
    assert moves.take("web") == {}
    told["ended"] = (now - datetime.timedelta(hours=1)).isoformat()
    vm_migration.migrate_from(request(node, "migrate_from"), Host(State.ABSENT))  # type: ignore[arg-type]
    assert len(RECORDED) == 2


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

        def __init__(self, _definition: object, _source: object, _target: object, host: Any, **_more: Any) -> None:
            self.host = host

        def run(self, _left: float) -> None:
            self.host.calls.append("migrate")
            raise MigrationFailed("the daemon ended")

    monkeypatch.setattr(live, "LiveMigration", Failing)
    monkeypatch.setattr(libvirt_daemon, "LibvirtHost", lambda: Host(State.RUNNING if alive else State.ABSENT))
    monkeypatch.setattr(vm_migration, "emulator_pid", lambda _name: 7 if alive else None)
    dead: Any = Dead(State.RUNNING)
    call = request(node, "migrate_to")
    if code is None:
        with pytest.raises(AgentError, match="it goes on here"):
            vm_migration.migrate_to(call, lambda: dead)
    else:
        assert vm_migration.migrate_to(call, lambda: dead) is code


@pytest.mark.parametrize(("state", "reason"), [(State.FAILED, "did not arrive from n1"), (State.INCOMING, "arrival")])
def test_migrate_from_does_not_take_a_shell_for_the_vm(node: Path, state: State, reason: str) -> None:
    host: Any = Host(state)
    with pytest.raises(AgentError, match=reason):
        vm_migration.migrate_from(request(node, "migrate_from", seconds=10), host)
    [entry] = RECORDED
    assert (entry["result"], entry["from"], entry["to"]) == ("failed", "n1", os.uname().nodename)
    assert re.search(reason, entry["reason"])


def disks_of(state: str) -> str:
    """The XML of the VM whose disk goes to another pool."""
    mirror = '<mirror ready="yes"><source file="/b"/></mirror>' if state == "copied" else ""
    disk = f'<disk><source file="/{state[0]}"/>{mirror}<target dev="vda"/></disk>'
    return f"<domain><devices>{disk}</devices></domain>"


def test_a_vm_that_moves_gives_up_the_copies_of_its_disks(node: Path) -> None:
    host: Any = Host(State.RUNNING)
    host.live_xml = lambda _name: disks_of("copied")
    host.fails["migrate"] = HostError("connection refused")
    disk_notes.note_copy("web")
    with pytest.raises(AgentError, match="it goes on here"):
        vm_migration.migrate_to(request(node, "migrate_to"), lambda: host)
    # libvirt moves no VM with a copy under way.
    assert host.calls[0] == "forget_copy web vda"


@pytest.mark.parametrize("ask", [vm.monitor, lambda call, host: vm_migration.migrate_to(call, lambda: host)])
def test_a_vm_that_was_held_for_its_disk_goes_on_when_whoever_held_it_is_dead(node: Path, ask: Any) -> None:
    host: Any = Host(State.PAUSED, State.RUNNING, reason="user")
    host.live_xml = lambda _name: disks_of("a")
    host.fails["migrate"] = HostError("connection refused")
    disk_notes.note_hold("web", "vda", {"path": "/b"})
    with suppress(AgentError):
        ask(request(node, "monitor"), host)
    assert host.calls[0] == "resume web"
    assert not disk_notes.held("web")
