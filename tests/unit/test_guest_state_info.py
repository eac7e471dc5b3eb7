# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which guests a node reports, and what of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import (
    domain_xml,
    guest_state,
    lxc_config,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    LibvirtUnreachable,
    VmGone,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.plugins.modules import guest_state_info

VM = {"name": "game", "definition": {"kind": "vm", "name": "game", "disks": [{"target": "vda"}]}, "ha": False}
WEB = {"name": "web", "definition": {"kind": "container", "name": "web"}}
CHANGES = (Change("memory", "1GiB", "2GiB", "set-memory", value=2), Change("cpu", "a", "b", "restart"))
TOLD = [
    {"path": "memory", "before": "1GiB", "after": "2GiB", "how": "live"},
    {"path": "cpu", "before": "a", "after": "b", "how": "restart"},
]


class Libvirt:
    state = State.RUNNING
    gone = False

    def seen(self, _name: str) -> Seen:
        return Seen(self.state)

    def disk_sizes(self, _name: str, _targets: list[str]) -> dict[str, int]:
        return {}

    def live_xml(self, _name: str) -> str:
        if self.gone:
            raise VmGone("no domain")
        return ""


class Lxc:
    word = "RUNNING"

    def state(self, _name: str) -> str:
        return self.word

    def config(self, _name: str) -> str:
        return ""


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> tuple[type[Libvirt], type[Lxc]]:
    libvirt, lxc = type("ThisLibvirt", (Libvirt,), {}), type("ThisLxc", (Lxc,), {})
    monkeypatch.setattr(guest_state, "LibvirtHost", libvirt)
    monkeypatch.setattr(guest_state, "LxcHost", lxc)
    monkeypatch.setattr(domain_xml, "difference", lambda *_arguments: CHANGES)
    monkeypatch.setattr(lxc_config, "difference", lambda *_arguments: ())
    return libvirt, lxc


def test_running_guests_and_their_changes(call: Any, hosts: Any) -> None:
    result = call(guest_state_info, guests=[VM, WEB, {"name": "old", "state": "absent"}])
    assert result["changed"] is False
    assert result["guests"] == {
        "game": {"kind": "vm", "state": "running", "changes": TOLD},
        "web": {"kind": "container", "state": "running", "changes": []},
    }


@pytest.mark.parametrize("state", [State.ABSENT, State.OFF, State.INCOMING])
def test_what_does_not_run_here_is_not_reported(call: Any, hosts: Any, state: State) -> None:
    libvirt, lxc = hosts
    libvirt.state, lxc.word = state, "STOPPED"
    assert call(guest_state_info, guests=[VM, WEB])["guests"] == {}


def test_a_vm_that_leaves_meanwhile_is_not_reported(call: Any, hosts: Any) -> None:
    hosts[0].gone = True
    assert call(guest_state_info, guests=[VM])["guests"] == {}


def test_a_node_that_cannot_tell_fails(call: Any, hosts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> None:
        raise LibvirtUnreachable("no socket")

    monkeypatch.setattr(guest_state, "LibvirtHost", unreachable)
    result = call(guest_state_info, guests=[VM])
    assert result["failed"]
    assert "no socket" in result["msg"]
