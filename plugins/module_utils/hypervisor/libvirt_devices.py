# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A running VM's virtual hardware in libvirt: its live XML, its disks' sizes, and changes made while it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .libvirt_connection import HostError, LibvirtConnection

if TYPE_CHECKING:
    from ..guest.definition import Change

__all__ = ["LiveDevices"]

_KIB = 1024


class LiveDevices(LibvirtConnection):
    """The devices of this node's running VMs, by a VM's name. Every method raises HostError when libvirt fails it."""

    def live_xml(self, name: str) -> str:
        """The XML of the running VM."""
        with self._errors():
            return str(self._connection.lookupByName(name).XMLDesc(0))

    def disk_sizes(self, name: str, targets: Collection[str]) -> dict[str, int]:
        """The capacities in bytes of those of the VM's disks that it has."""
        with self._errors():
            domain = self._connection.lookupByName(name)
            sizes = {}
            for target in targets:
                try:
                    sizes[target] = int(domain.blockInfo(target)[0])
                except self._libvirt.libvirtError:
                    continue  # no such disk, which is a difference of its own
            return sizes

    def apply(self, name: str, change: Change) -> None:
        """Make one live change to the running VM."""
        virt = self._libvirt
        live = virt.VIR_DOMAIN_AFFECT_LIVE
        do: dict[str, Callable[[Any], object]] = {
            "set-vcpus": lambda domain: domain.setVcpusFlags(change.value, live),
            "set-memory": lambda domain: domain.setMemoryFlags((change.value or 0) // _KIB, live),
            "grow-disk": lambda domain: domain.blockResize(
                change.target, change.value, virt.VIR_DOMAIN_BLOCK_RESIZE_BYTES
            ),
            "update-interface": lambda domain: domain.updateDeviceFlags(change.device, live),
        }
        for device in ("interface", "disk"):
            do[f"attach-{device}"] = lambda domain: domain.attachDeviceFlags(change.device, live)
            do[f"detach-{device}"] = lambda domain: domain.detachDeviceFlags(change.device, live)
        if change.action not in do:
            raise HostError(f"a running VM has no {change.action}")
        self._on(name, do[change.action])

    def forget_copy(self, name: str, target: str) -> None:
        """Have the running VM give up the copy that is being made of a disk. It goes on with the disk it has."""
        self._on(name, lambda domain: domain.blockJobAbort(target, 0))

    def bring_online(self, name: str, vcpus: int) -> None:
        """Have the running VM's guest agent bring so many processors online, should there be one."""
        with suppress(HostError):
            self._on(name, lambda domain: domain.setVcpusFlags(vcpus, self._libvirt.VIR_DOMAIN_VCPU_GUEST))

    def remember(self, name: str, metadata: str, namespace: str) -> None:
        """Replace the element of ``namespace`` in the running VM's metadata."""
        virt = self._libvirt
        kind, live = virt.VIR_DOMAIN_METADATA_ELEMENT, virt.VIR_DOMAIN_AFFECT_LIVE
        self._on(name, lambda domain: domain.setMetadata(kind, metadata, "drover", namespace, live))
