# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of a running VM's devices, as libvirt is told them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import Change
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.disk_copies import (
    DiskCopies,
    LiveDisk,
    live_disks,
)
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


MIRRORED = """
<domain><devices>
<disk><source file="/a/vda.qcow2"/><mirror type="file" job="copy" ready="yes"><source file="/b/vda.qcow2"/></mirror>
<target dev="vda"/></disk>
<disk><source protocol="rbd" name="disks/mc.vdb"/><mirror type="file" file="/b/vdb" job="copy"/>
<target dev="vdb"/></disk>
<disk><source file="/a/seed.img"/><target dev="vdz"/></disk>
</devices></domain>
"""


def test_copies_of_disks_as_libvirt_is_told_them(monkeypatch: pytest.MonkeyPatch) -> None:
    libvirt = Libvirt()
    for number, name in ((2, "REUSE_EXT"), (8, "SYNCHRONOUS_WRITES")):
        monkeypatch.setattr(libvirt, f"VIR_DOMAIN_BLOCK_COPY_{name}", number)
    host = DiskCopies(libvirt)
    host.copy("web", "vda", {"type": "file", "path": "/b/vda.qcow2", "format": "qcow2"}, 7)
    host.pivot("web", "vda")
    host.forget_copy("web", "vda")
    [(name, target, xml, parameters, flags), pivot, forget] = libvirt.calls
    assert (name, target, parameters, flags) == ("blockCopy", "vda", {"VIR_DOMAIN_BLOCK_COPY_BANDWIDTH": 7}, 2 | 8)
    assert '<source file="/b/vda.qcow2" />' in xml and 'type="qcow2"' in xml
    assert pivot == ("blockJobAbort", "vda", "VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT")
    assert forget == ("blockJobAbort", "vda", 0)


def test_disks_and_their_copies_are_read() -> None:
    assert live_disks(MIRRORED) == {
        "vda": LiveDisk("/a/vda.qcow2", "/b/vda.qcow2", ready=True),
        "vdb": LiveDisk("rbd:disks/mc.vdb", "/b/vdb"),
        "vdz": LiveDisk("/a/seed.img"),
    }
