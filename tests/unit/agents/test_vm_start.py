# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starting a VM: what makes room for it, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import vm_start
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.agents.vm_start import require_files
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import State
from ansible_collections.cspp.drover.plugins.module_utils.migration import whereabouts
from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import MARK
from ansible_collections.cspp.drover.tests.unit.agents.vm_node import Host, request


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
    assert vm_start.start(request(node, "start"), host) is Code.SUCCESS
    assert host.calls == calls


@pytest.mark.parametrize("state", [State.FAILED, State.LEAVING])
def test_start_refuses_a_vm_that_is_here_but_does_not_run(node: Path, state: State) -> None:
    host: Any = Host(state)
    with pytest.raises(AgentError, match="stopped before"):
        vm_start.start(request(node, "start"), host)
    assert host.calls == []


@pytest.mark.parametrize(
    ("lost", "reason"),
    [("vda.qcow2", "waits for its storage: .* is not mounted here"), ("accelerator.json", "site.yml")],
)
def test_start_refuses_a_node_that_lacks_something(node: Path, lost: str, reason: str) -> None:
    (node / lost).unlink()
    host: Any = Host(State.ABSENT)
    with pytest.raises(AgentError, match=reason):
        vm_start.start(request(node, "start"), host)
    assert host.calls == []


def test_a_vm_that_another_node_has_is_not_started(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "elsewhere", lambda _name, _seconds, **_how: "n3")
    host: Any = Host(State.ABSENT)
    with pytest.raises(AgentError, match="web runs on n3"):
        vm_start.start(request(node, "start"), host)
    assert host.calls == []


def test_a_vm_that_a_silent_member_may_have_is_not_started(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(_name: str, seconds: float, **_how: str) -> None:
        # What a start of 100 s has beyond its reserve.
        assert seconds == 40
        raise whereabouts.Unheard("n3 does not tell: timed out")

    monkeypatch.setattr(whereabouts, "elsewhere", elsewhere)
    host: Any = Host(State.ABSENT)
    with pytest.raises(AgentError, match=r"web is not started, .*: n3 does not tell: timed out\. See to drover-peer"):
        vm_start.start(request(node, "start"), host)
    assert host.calls == []


def test_a_disk_that_is_missing_in_its_pool_is_named(tmp_path: Path) -> None:
    (tmp_path / MARK).touch()
    path = f"{tmp_path}/vms/web/vda.qcow2"
    disk = {"target": "vda", "source": {"type": "file", "path": path, "format": "qcow2"}}
    with pytest.raises(AgentError, match=f"missing: {path}$"):
        require_files({"name": "web", "kernel": None, "disks": [disk]})
