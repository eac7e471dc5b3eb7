# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM on a full storage is kept, told of, and goes on when there is room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import full_storage, glance, vm
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Code
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import MIB
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import State, classify
from ansible_collections.cspp.drover.tests.unit.agents.vm_node import Host, request

FULL = classify(3, 5, None, full=True)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What the cluster is told of the VM, in order."""
    notes: list[str | None] = []
    monkeypatch.setattr(Pacemaker, "note", lambda _self, _guest, text: notes.append(text))
    return notes


def test_it_is_kept_and_told_of_once_and_goes_on_with_room(
    node: Path, said: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    room, unsettled = [0, 0, MIB, 100 * MIB], list[str]()
    monkeypatch.setattr(glance, "unsettle", unsettled.append)
    monkeypatch.setattr(full_storage, "_free", lambda _folder: room.pop(0))
    host: Any = Host(State.PAUSED, State.RUNNING, reason=FULL.reason)
    for _monitor in range(3):
        assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert (host.calls, said) == ([], [f"paused until there is room on {node}"])
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert host.calls == ["resume web"]
    assert unsettled == ["web"] * 4  # the next monitor is a whole one
    host.reason = ""
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert said[1:] == [None]


def test_what_was_said_of_it_ends_with_it(node: Path, said: list[str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_storage, "_free", lambda _folder: 0)
    host: Any = Host(State.PAUSED, reason=FULL.reason)
    vm.monitor(request(node, "monitor"), host)
    assert vm.monitor(request(node, "monitor"), Host(State.ABSENT)) is Code.NOT_RUNNING  # type: ignore[arg-type]
    assert len(said) == 2 and said[1] is None


def test_nobody_else_that_is_paused_is_let_go_on(node: Path, said: list[str | None]) -> None:
    host: Any = Host(State.PAUSED, reason="user")
    assert vm.monitor(request(node, "monitor"), host) is Code.SUCCESS
    assert (host.calls, said) == ([], [])


def test_room_is_that_of_the_file_system(node: Path) -> None:
    assert full_storage._free(str(node)) > 0
    assert full_storage._free(str(node / "unmounted")) == 0
