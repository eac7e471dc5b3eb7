# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a running VM decides about its migration, and what libvirt on the target says to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import libvirt_facts
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_facts import (
    LibvirtFacts,
    digest,
    memory_in_use,
)
from ansible_collections.cspp.drover.tests.unit.hypervisor.fake_libvirt import Libvirt, LibvirtError

XML = """
<domain type='kvm'>
  <name>mc</name>
  <os>
    <type arch='x86_64' machine='pc-q35-10.0'>hvm</type>
    <kernel>/images/kernel</kernel>
    <initrd>/images/initrd</initrd>
  </os>
  <cpu mode='custom' match='exact'><model>Skylake-Server</model><feature policy='require' name='vmx'/></cpu>
  <devices>
    <disk type='file' device='disk'><source file='/pool/vda.qcow2'/><target dev='vda'/></disk>
    <disk type='block' device='disk'><source dev='/dev/mapper/lun'/><target dev='vdb'/></disk>
    <disk type='file' device='cdrom'><source file='/root/install.iso'/><target dev='sda'/></disk>
    <disk type='file' device='cdrom'><target dev='sdb'/></disk>
    <interface type='bridge'><source bridge='br0'/><vlan><tag id='7'/></vlan><mtu size='9000'/></interface>
    <interface type='bridge'><source bridge='br1'/></interface>
    <interface type='hostdev'/>
    <hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x01'/></source></hostdev>
  </devices>
</domain>
"""


def test_a_digest() -> None:
    seen = digest(XML)
    assert (seen["virt"], seen["arch"], seen["machine"], seen["cpu_mode"]) == ("kvm", "x86_64", "pc-q35-10.0", "custom")
    assert "vmx" in seen["cpu"]
    assert seen["files"] == ["/pool/vda.qcow2", "/dev/mapper/lun", "/images/kernel", "/images/initrd"]
    assert seen["media"] == {"sda": "/root/install.iso"}
    assert seen["host_devices"] == ["pci bus 0x01 domain 0x0000", "network interface"]
    assert seen["nics"] == [{"bridge": "br0", "vlan": "7", "mtu": 9000}, {"bridge": "br1", "vlan": None, "mtu": None}]


def test_a_digest_of_next_to_nothing() -> None:
    assert digest("<domain type='qemu'/>")["nics"] == []


class Node(Libvirt):
    """libvirt that has this or that against VMs."""

    def __init__(self, *, machine: bool = True, cpu: bool = True, same: bool = True) -> None:
        super().__init__()
        self.knows, self.has, self.same = machine, cpu, same
        self.looks = 0

    VIR_CPU_COMPARE_IDENTICAL = 1

    def getDomainCapabilities(self, *_where: Any) -> None:
        if not self.knows:
            raise LibvirtError(8)

    def compareHypervisorCPU(self, *_what: Any) -> None:
        if not self.has:
            raise LibvirtError(91)

    def compareCPU(self, _cpu: str, _flags: int) -> int:
        return 1 if self.same else 2

    def maxMemory(self) -> int:
        return 4096

    def domainListGetStats(self, domains: list[Any], _flags: Any) -> list[tuple[Any, dict[str, Any]]]:
        self.looks += 1
        measured = {"dirtyrate.calc_status": 2, "dirtyrate.megabytes_per_second": 3}
        return [(domains[0], measured if self.looks == 3 else {"dirtyrate.calc_status": 1})]


VM = {
    "arch": "x86_64",
    "machine": "pc-q35-10.0",
    "virt": "kvm",
    "cpu": "<cpu/>",
    "cpu_mode": "custom",
    "host_cpu": None,
}


@pytest.mark.parametrize(
    ("node", "vm", "machine", "cpu", "same"),
    [
        (Node(), {}, False, False, True),
        (Node(machine=False), {}, True, False, True),
        (Node(cpu=False), {}, False, True, True),
        (Node(cpu=False, same=False), {"cpu_mode": "host-passthrough", "host_cpu": "<cpu/>"}, False, False, False),
    ],
    ids=["nothing", "machine", "cpu", "another cpu"],
)
def test_what_a_node_has_against_a_vm(node: Node, vm: dict[str, Any], machine: bool, cpu: bool, same: bool) -> None:
    answer = LibvirtFacts(node).takes({**VM, **vm})
    assert (bool(answer["machine"]), bool(answer["cpu"]), answer["same_cpu"]) == (machine, cpu, same)


def test_the_dirty_rate_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_facts, "memory_in_use", lambda _name, memory: memory // 2)
    node = Node()
    assert LibvirtFacts(node).measure("mc", sleep=lambda _s: None) == {"in_use": 2 * 2**20, "dirties": 3 * 2**20}
    assert node.calls == [("startDirtyRateCalc", 1, "VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING")]


def test_a_dirty_rate_that_does_not_come() -> None:
    node = Node()
    node.looks = 3
    with pytest.raises(HostError, match="in time"):
        LibvirtFacts(node).measure("mc", sleep=lambda _s: None)


SMAPS = """\
7fa15c600000-7fa15fd00000 rw-p 00000000 00:00 0
Size:              56228 kB
Rss:               50112 kB
7fa15fe00000-7fa16be00000 rw-p 00000000 00:00 0
Size:             196608 kB
Rss:              102400 kB
7fa16c000000-7fa1abfff000 rwxp 00000000 00:00 0
Size:            1048572 kB
Rss:               67584 kB
"""


def test_memory_in_use_is_the_vms_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_facts, "emulator_pid", lambda _name: 7)
    assert memory_in_use("mc", 192 * 2**20, tmp_path) == 192 * 2**20
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps").write_text(SMAPS)
    assert memory_in_use("mc", 192 * 2**20, tmp_path) == 102400 * 1024
    assert memory_in_use("mc", 512 * 2**20, tmp_path) == 512 * 2**20


SECURITY = "<capabilities><host>{}<secmodel><model>dac</model></secmodel></host></capabilities>"


@pytest.mark.parametrize(
    ("enabled", "driver", "label", "confines", "confined"),
    [
        (True, "<secmodel><model>apparmor</model></secmodel>", True, True, True),
        (True, "", False, False, False),
        (False, "", False, None, None),
    ],
)
def test_who_is_confined(
    monkeypatch: pytest.MonkeyPatch,
    enabled: bool,
    driver: str,
    label: bool,
    confines: bool | None,
    confined: bool | None,
) -> None:
    monkeypatch.setattr(libvirt_facts, "apparmor", lambda: enabled)
    monkeypatch.setattr(libvirt_facts, "confined", lambda _pid: label)
    monkeypatch.setattr(libvirt_facts, "emulator_pid", lambda _name: 7)

    class Domain:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: {"name": "mc", "XMLDesc": XML, "isActive": True, "UUIDString": "u"}[name]

    node = Node()
    node.listAllDomains = lambda: [Domain()]  # type: ignore[attr-defined]
    node.getVersion = lambda: 10_000_013  # type: ignore[attr-defined]
    node.getCapabilities = lambda: SECURITY.format(driver)  # type: ignore[attr-defined]
    facts = LibvirtFacts(node).facts(None)
    assert (facts["confines"], facts["guests"]["mc"]["confined"]) == (confines, confined)
