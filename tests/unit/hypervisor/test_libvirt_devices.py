# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of a running VM's devices, as libvirt is told them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_host import LibvirtHost
from ansible_collections.cspp.drover.tests.unit.hypervisor.fake_libvirt import Libvirt

LIVE = "VIR_DOMAIN_AFFECT_LIVE"


@pytest.mark.parametrize(
    ("change", "call"),
    [
        (Change("vcpus", "1", "2", "set-vcpus", value=2), ("setVcpusFlags", 2, LIVE)),
        (Change("memory", "1", "2", "set-memory", value=2048), ("setMemoryFlags", 2, LIVE)),
        (
            Change("disks[vda].size", "1", "2", "grow-disk", value=9, target="vda"),
            ("blockResize", "vda", 9, "VIR_DOMAIN_BLOCK_RESIZE_BYTES"),
        ),
        (Change("disks[vdb]", None, "b", "attach-disk", device="<disk/>"), ("attachDeviceFlags", "<disk/>", LIVE)),
        (Change("nics[m]", "a", None, "detach-interface", device="<i/>"), ("detachDeviceFlags", "<i/>", LIVE)),
        (Change("nics[m]", "a", "b", "update-interface", device="<i/>"), ("updateDeviceFlags", "<i/>", LIVE)),
    ],
)
def test_apply(change: Change, call: tuple[Any, ...]) -> None:
    libvirt = Libvirt()
    LibvirtHost(libvirt).apply("web", change)
    assert libvirt.calls == [call]


def test_what_a_running_vm_cannot_change_is_refused() -> None:
    with pytest.raises(HostError, match="restart"):
        LibvirtHost(Libvirt()).apply("web", Change("cpu", "a", "b", "restart"))
