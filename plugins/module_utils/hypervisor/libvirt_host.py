# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt on this node: its VMs' life, from their start to their end, with their devices and their migrations."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .emulator import emulator_pid
from .libvirt_connection import VmGone
from .libvirt_devices import LiveDevices
from .libvirt_migration import MigrationJobs
from .vm_state import VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, Seen, State, classify

__all__ = ["LibvirtHost"]


class LibvirtHost(LiveDevices, MigrationJobs):
    """The VMs of this node, by name. Every method raises HostError when libvirt fails it."""

    def seen(self, name: str) -> Seen:
        """The VM as it is now."""
        try:
            with self._errors():
                domain = self._connection.lookupByName(name)
                state, reason = domain.state()
                if state != VIR_DOMAIN_PAUSED:
                    return classify(state, reason, None)
                full = reason == VIR_DOMAIN_PAUSED_IOERROR and self._lacks_room(domain)
                return classify(state, reason, self._migration(domain)[0], full=full)
        except VmGone:
            if emulator_pid(name) is not None:
                return Seen(State.FAILED, "libvirt lost sight of its process")
            return Seen(State.ABSENT)

    def _lacks_room(self, domain: Any) -> bool:
        """Whether the lack of room is all that is wrong with the disks of a VM with an I/O error."""
        errors = domain.diskErrors(0)
        return bool(errors) and set(errors.values()) == {self._libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE}

    def create(self, xml: str) -> None:
        """Start a VM that libvirt forgets when it ends: nothing of it can be started behind Pacemaker's back."""
        with self._errors():
            self._connection.createXML(xml, 0)

    def shut_down(self, name: str) -> None:
        """Press the VM's power button."""
        self._on(name, lambda domain: domain.shutdownFlags(self._libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))

    def resume(self, name: str) -> None:
        """Let a paused VM go on."""
        self._on(name, lambda domain: domain.resume())

    def destroy(self, name: str) -> None:
        """Cut the VM's power."""
        self._on(name, lambda domain: domain.destroy())

    def forget(self, name: str) -> None:
        """Remove a definition of the VM; a running VM goes on, and leaves none when it ends."""
        virt = self._libvirt
        flags = (
            virt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | virt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | virt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | virt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
        )
        with suppress(VmGone):
            self._on(name, lambda domain: domain.undefineFlags(flags) if domain.isPersistent() else None)
