# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What libvirt on this node knows that decides about migrations. Looks only, and changes nothing."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .confinement import apparmor, confined
from .emulator import emulator_pid
from .libvirt_connection import HostError
from .libvirt_host import LibvirtHost

__all__ = ["LibvirtFacts", "digest", "memory_in_use"]

_MEASURED = 2  # VIR_DOMAIN_DIRTYRATE_MEASURED
_KIB, _MIB = 1024, 1024**2
#: Seconds that the dirty rate is measured for. libvirt takes whole ones.
_PERIOD = 1
#: Modes of a VM's CPU that promise what the node has, whatever that is.
_NODES_OWN = ("host-passthrough", "maximum")


class LibvirtFacts(LibvirtHost):
    """libvirt on this node, asked for more than an agent needs. Every method raises HostError when libvirt fails it."""

    def facts(self, guests: Collection[str] | None) -> dict[str, Any]:
        """The node's QEMU as ``version`` (major * 1000000 + minor * 1000 + release), all its ``domains`` by name with
        their UUIDs, and of those ``guests`` (None: all) that run here what a migration takes along. ``confines`` tells
        whether libvirt has AppArmor confine what it starts, each guest's ``confined`` whether it is; None where the
        kernel has no AppArmor."""
        with self._errors():
            domains = {domain.name(): domain for domain in self._connection.listAllDomains()}
            running = {
                name: digest(domain.XMLDesc(self._libvirt.VIR_DOMAIN_XML_MIGRATABLE))
                for name, domain in domains.items()
                if domain.isActive() and (guests is None or name in guests)
            }
            for name, vm in running.items():
                pid = emulator_pid(name) if apparmor() else None
                vm["confined"] = None if pid is None else confined(pid)
                vm["host_cpu"] = self._host_cpu() if vm["cpu_mode"] in _NODES_OWN else None
            return {
                "version": self._connection.getVersion(),
                "domains": {name: domain.UUIDString() for name, domain in domains.items()},
                "guests": running,
                "confines": "apparmor" in self._security() if apparmor() else None,
            }

    def takes(self, vm: Mapping[str, Any]) -> dict[str, Any]:
        """What this node has against running a VM, given its digest: ``machine`` and ``cpu`` are libvirt's words, empty
        when it has nothing; ``same_cpu`` tells whether the node's own CPU is the very one of ``host_cpu``."""
        where = (None, vm["arch"], vm["machine"], vm["virt"])
        try:
            with self._errors():
                self._connection.getDomainCapabilities(*where)
        except HostError as error:
            return {"machine": str(error), "cpu": "", "same_cpu": True}
        return {"machine": "", "cpu": self._lacks(where, vm), "same_cpu": self._is(vm["host_cpu"])}

    def measure(self, name: str, sleep: Callable[[float], None] = time.sleep) -> dict[str, int]:
        """How much of a VM's memory is ``in_use``, and how much of it it ``dirties`` a second, in bytes.

        Takes a second. QEMU samples pages and compares their checksums, which costs the VM nothing and works with
        KVM and without. What changes twice within the second counts once.
        """
        virt = self._libvirt
        with self._errors():
            domain = self._connection.lookupByName(name)
            memory = domain.maxMemory() * _KIB
            domain.startDirtyRateCalc(_PERIOD, virt.VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING)
            for _look in range(20):
                sleep(_PERIOD / 10)
                [(_domain, stats)] = self._connection.domainListGetStats([domain], virt.VIR_DOMAIN_STATS_DIRTYRATE)
                if stats.get("dirtyrate.calc_status") == _MEASURED:
                    rate = int(stats["dirtyrate.megabytes_per_second"]) * _MIB
                    return {"in_use": memory_in_use(name, memory), "dirties": rate}
        raise HostError(f"the dirty rate of {name} could not be measured in time")

    def _lacks(self, where: tuple[None, str, str, str], vm: Mapping[str, Any]) -> str:
        """What of the VM's CPU this node can't offer."""
        if not vm["cpu"] or vm["cpu_mode"] in _NODES_OWN:
            return ""
        flags = self._libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
        try:
            with self._errors():
                self._connection.compareHypervisorCPU(*where, vm["cpu"], flags)
        except HostError as error:
            return str(error)
        return ""

    def _is(self, cpu: str | None) -> bool:
        """Whether the node's CPU is identical with the one of another node's capabilities."""
        if cpu is None:
            return True
        with self._errors():
            identical = self._connection.compareCPU(cpu, 0) == self._libvirt.VIR_CPU_COMPARE_IDENTICAL
            return bool(identical)

    def _security(self) -> set[str | None]:
        """The security drivers by which libvirt confines what it starts."""
        return {
            model.text for model in ET.fromstring(self._connection.getCapabilities()).iterfind("host/secmodel/model")
        }

    def _host_cpu(self) -> str | None:
        """The node's own CPU, as the <cpu> of its capabilities."""
        found = ET.fromstring(self._connection.getCapabilities()).find("host/cpu")
        return None if found is None else ET.tostring(found, encoding="unicode")


def digest(xml: str) -> dict[str, Any]:
    """What decides about a migration in the XML of a running domain.

    ``machine``, ``arch`` and ``virt`` (kvm or qemu); ``cpu`` as XML and its mode; the ``files`` it has open or boots
    from; the ``media`` in its drives; ``host_devices``; ``nics`` with bridge, VLAN and MTU.
    """
    root = ET.fromstring(xml)
    kind = root.find("os/type")
    cpu = root.find("cpu")
    disks = root.findall("devices/disk")
    boots = [root.findtext(f"os/{part}") for part in ("kernel", "initrd", "loader")]
    return {
        "virt": root.get("type", "kvm"),
        "arch": "x86_64" if kind is None else kind.get("arch", "x86_64"),
        "machine": "" if kind is None else kind.get("machine", ""),
        "cpu": "" if cpu is None else ET.tostring(cpu, encoding="unicode").strip(),
        "cpu_mode": "" if cpu is None else cpu.get("mode", "custom"),
        "files": [path for path in [*(_file(disk) for disk in disks if not _removable(disk)), *boots] if path],
        "media": {_target(disk): _file(disk) for disk in disks if _removable(disk) and _file(disk)},
        "host_devices": [_host_device(device) for device in root.findall("devices/hostdev")]
        + ["network interface" for _nic in root.findall("devices/interface[@type='hostdev']")],
        "nics": [
            {
                "bridge": _attribute(nic, "source", "bridge"),
                "vlan": _attribute(nic, "vlan/tag", "id") or None,
                "mtu": int(_attribute(nic, "mtu", "size") or 0) or None,
            }
            for nic in root.findall("devices/interface[@type='bridge']")
        ],
    }


def memory_in_use(name: str, memory: int, proc: Path = Path("/proc")) -> int:
    """Bytes of a VM's memory that it has ever written to, which is what a migration has to send.

    They are counted in the process's map, in the part that is as large as the VM's memory: QEMU holds other memory
    too, and emulating a processor takes more of it than a small VM has itself.
    """
    pid = emulator_pid(name)
    with suppress(OSError):
        inside = False
        for line in (proc / str(pid) / "smaps").read_text(encoding="utf-8", errors="replace").splitlines():
            word, _space, rest = line.partition(" ")
            if word == "Size:":
                inside = int(rest.split()[0]) * _KIB == memory
            elif word == "Rss:" and inside:
                return int(rest.split()[0]) * _KIB
    return memory


def _removable(disk: ET.Element) -> bool:
    return disk.get("device") in ("cdrom", "floppy")


def _file(disk: ET.Element) -> str:
    return _attribute(disk, "source", "file") or _attribute(disk, "source", "dev")


def _target(disk: ET.Element) -> str:
    return _attribute(disk, "target", "dev")


def _host_device(device: ET.Element) -> str:
    address = device.find("source/address")
    where = "" if address is None else " ".join(f"{key} {value}" for key, value in sorted(address.attrib.items()))
    return f"{device.get('type', 'device')} {where}".strip()


def _attribute(element: ET.Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")
