# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a monitor sets right of a migration whose agent died, and which VM it trusts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import glance, vm, vm_recovery
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Code
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Outcome, Progress
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import State
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress as moves
from ansible_collections.cspp.drover.plugins.module_utils.migration import switchover, whereabouts
from ansible_collections.cspp.drover.plugins.module_utils.migration.whereabouts import Unheard
from ansible_collections.cspp.drover.tests.unit.agents.vm_node import MIB, RECORDED, Host, request


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
    answers: list[str | Unheard | None] = [Unheard("n2 does not tell"), "n2"]

    def elsewhere(_name: str, _seconds: float, among: list[str]) -> str | None:
        assert among == ["n2"]
        answer = answers.pop(0)
        if isinstance(answer, Unheard):
            raise answer
        return answer

    monkeypatch.setattr(whereabouts, "elsewhere", elsewhere)
    host: Any = Host(State.ABSENT)
    # There is no time for it now, and there will be.
    assert vm.monitor(request(node, "monitor", seconds=10), host) is Code.NOT_RUNNING
    assert (RECORDED, len(answers)) == ([], 2)
    # A target that does not tell has not said no: the next monitor asks again.
    assert vm.monitor(request(node, "monitor"), host) is Code.NOT_RUNNING
    assert (RECORDED, len(answers)) == ([], 1)
    assert vm.monitor(request(node, "monitor"), host) is Code.NOT_RUNNING
    [entry] = RECORDED
    assert (entry["id"], entry["result"], entry["path"]) == ("7", "moved", ["its agent was killed (post-copy)"])


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
    monkeypatch.setattr(vm_recovery, "emulator_pid", lambda _name: 7)
    for state in (State.PAUSED, State.LEAVING):
        vm.monitor(request(node, "monitor"), Host(state))  # type: ignore[arg-type]
    moving: Any = Host(State.RUNNING)
    moving.moving = [Progress(1, MIB, 0)]
    vm.monitor(request(node, "monitor"), moving)
    assert noticed == []
    vm.monitor(request(node, "monitor"), Host(State.RUNNING))  # type: ignore[arg-type]
    assert noticed == [7]


@pytest.mark.parametrize(
    ("held", "dead", "answer", "done"),
    [
        (True, True, True, ["ask n2", "kill"]),
        (True, True, False, ["ask n2", "let_go"]),
        (True, True, switchover.Unknown("n2 does not tell"), ["ask n2"]),
        (True, False, True, []),
        (False, True, True, []),
    ],
)
def test_a_vm_that_a_dead_agent_held_goes_on_in_one_place(
    node: Path, monkeypatch: pytest.MonkeyPatch, held: bool, dead: bool, answer: bool | Exception, done: list[str]
) -> None:
    asked: list[str] = []

    def landed(_name: str, target: str, seconds: float) -> bool:
        assert seconds > 0
        asked.append(f"ask {target}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    told: dict[str, Any] = {"from": "n1", "to": "n2", "phase": "copying"}
    moves.progress("web", **told)
    monkeypatch.setattr(moves, "_lives", lambda _move: not dead)
    monkeypatch.setattr(whereabouts, "elsewhere", lambda *_asked, **_how: None)
    monkeypatch.setattr(vm_recovery, "emulator_pid", lambda _name: 7)
    monkeypatch.setattr(vm_recovery, "is_held", lambda pid: held and pid == 7)
    monkeypatch.setattr(glance, "notice", lambda _name, _pid: None)
    monkeypatch.setattr(switchover, "landed", landed)
    for name in ("kill", "let_go"):
        monkeypatch.setattr(switchover, name, lambda _guest, name=name: asked.append(name))
    host: Any = Host(State.RUNNING)
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert asked == done
    # As long as nobody knows where it goes on, its move is known, and the next monitor asks again.
    assert bool(moves.abandoned("web")) is (done == ["ask n2"])


def test_a_vm_that_an_admin_holds_is_left_alone(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_recovery, "emulator_pid", lambda _name: 7)
    monkeypatch.setattr(vm_recovery, "is_held", lambda _pid: True)
    monkeypatch.setattr(glance, "notice", lambda _name, _pid: None)
    monkeypatch.setattr(switchover, "landed", lambda *_arguments: pytest.fail("nobody moved it"))
    assert vm.monitor(request(node, "monitor"), Host(State.RUNNING)) is Code.SUCCESS  # type: ignore[arg-type]
