# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of a running VM's disks that QEMU makes while it runs (libvirt's block copy), and the change over to them.

QEMU copies a disk into a new volume, and from then on sends every write to both, until the VM is told to go on with the
new one (pivot) or to forget it (abort). libvirt does that: it goes on when whoever asked for it is dead.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any, NamedTuple

from .domain_xml import render_disk, source_of
from .libvirt_host import LibvirtHost

__all__ = ["DiskCopies", "LiveDisk", "live_disks"]


class LiveDisk(NamedTuple):
    """A disk of a running VM: where it is, where it is being copied to, and whether both hold the same by now."""

    path: str | None
    copy: str | None = None
    ready: bool = False


def live_disks(live_xml: str) -> dict[str, LiveDisk]:
    """The disks of a running VM by target, from its XML."""
    found = {}
    for disk in ET.fromstring(live_xml).findall("devices/disk"):
        target, mirror = disk.find("target"), disk.find("mirror")
        if target is None:
            continue
        copied = None if mirror is None else source_of(mirror) or mirror.get("file")
        ready = mirror is not None and mirror.get("ready") == "yes"
        found[target.get("dev", "")] = LiveDisk(source_of(disk), copied, ready)
    return found


class DiskCopies(LibvirtHost):
    """The copies of this node's VMs' disks, by a VM's name. Every method raises HostError when libvirt fails it."""

    def disks(self, name: str) -> dict[str, LiveDisk]:
        """The disks of the running VM, by target."""
        return live_disks(self.live_xml(name))

    def copy(self, name: str, target: str, source: Mapping[str, Any], bandwidth: int | None = None) -> None:
        """Begin to copy a disk into a volume of the same size that is there already, so many bytes a second.

        What the VM writes goes to both at once, so the copy comes to an end however much that is.
        """
        virt = self._libvirt
        xml = render_disk({"target": target, "source": source, "readonly": False})
        # The sizes are the same, and nothing of what was in the new volume is to shine through.
        flags = virt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | virt.VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES
        limit = {} if bandwidth is None else {virt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: bandwidth}
        self._on(name, lambda domain: domain.blockCopy(target, xml, limit, flags))

    def copied(self, name: str, target: str) -> tuple[int, int]:
        """How far the copy is: bytes done, and bytes in all as far as is known."""
        with self._errors():
            found = self._connection.lookupByName(name).blockJobInfo(target, 0) or {}
        return int(found.get("cur", 0)), int(found.get("end", 0))

    def pivot(self, name: str, target: str) -> None:
        """Have the VM go on with the copy. Returns when it does, and the copy has all of it on its storage."""
        self._on(name, lambda domain: domain.blockJobAbort(target, self._libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT))

    def suspend(self, name: str) -> None:
        """Hold the VM, until it is resumed."""
        self._on(name, lambda domain: domain.suspend())
