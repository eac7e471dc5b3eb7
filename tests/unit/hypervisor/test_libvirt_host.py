# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's life as libvirt tells it: which state it is in, which errors it meets, and how it is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import libvirt_host
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import (
    HostError,
    LibvirtUnreachable,
    VmGone,
)
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_host import LibvirtHost
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.tests.unit.hypervisor.fake_libvirt import OTHER, UNSUPPORTED, Libvirt


def test_seen() -> None:
    leaving = {"type": 2, "operation": "VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT"}
    assert LibvirtHost(Libvirt((3, 2), leaving)).seen("web").state is State.LEAVING
    # Only the source has statistics of a migration under way.
    assert LibvirtHost(Libvirt((3, 2), UNSUPPORTED)).seen("web").state is State.INCOMING
    with pytest.raises(HostError):
        LibvirtHost(Libvirt((3, 2), OTHER)).seen("web")


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        ({}, State.FAILED),
        ({"vda": "VIR_DOMAIN_DISK_ERROR_NO_SPACE"}, State.PAUSED),
        ({"vda": "VIR_DOMAIN_DISK_ERROR_UNSPEC"}, State.FAILED),
        ({"vda": "VIR_DOMAIN_DISK_ERROR_NO_SPACE", "vdb": "VIR_DOMAIN_DISK_ERROR_UNSPEC"}, State.FAILED),
    ],
)
def test_a_full_storage_is_no_broken_one(errors: dict[str, str], state: State) -> None:
    libvirt = Libvirt((3, 5))
    libvirt.errors = errors
    seen = LibvirtHost(libvirt).seen("web")
    assert (seen.state, seen.full) == (state, state is State.PAUSED)


def test_a_vm_that_libvirt_does_not_know_is_absent_unless_its_process_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    libvirt = Libvirt()
    libvirt.present = False
    host = LibvirtHost(libvirt)
    assert host.seen("web") == Seen(State.ABSENT)
    monkeypatch.setattr(libvirt_host, "emulator_pid", lambda _name: 4711)
    assert host.seen("web").state is State.FAILED


def test_errors_tell_a_lost_daemon_from_a_lost_vm() -> None:
    libvirt = Libvirt()
    libvirt.up = False
    with pytest.raises(LibvirtUnreachable):
        LibvirtHost(libvirt)
    libvirt.up = True
    host = LibvirtHost(libvirt)
    libvirt.present = False
    with pytest.raises(VmGone):
        host.destroy("web")
    libvirt.alive = False
    with pytest.raises(LibvirtUnreachable):
        host.seen("web")


@pytest.mark.parametrize("persistent", [False, True])
def test_forget(persistent: bool) -> None:
    class Flags(Libvirt):
        def __getattr__(self, name: str) -> Any:
            return 1 if name.startswith("VIR_DOMAIN_UNDEFINE") else super().__getattr__(name)

    libvirt = Flags()
    libvirt.persistent = persistent
    host = LibvirtHost(libvirt)
    host.forget("web")
    assert libvirt.calls == ([("undefineFlags", 1)] if persistent else [])
    libvirt.present = False
    host.forget("web")
