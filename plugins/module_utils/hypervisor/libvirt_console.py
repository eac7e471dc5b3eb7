# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's screen and serial port on this node, as libvirt hands them out."""

from __future__ import annotations

import socket
import xml.etree.ElementTree as ET

from .libvirt_connection import HostError
from .libvirt_host import LibvirtHost
from .vm_state import State

__all__ = ["LibvirtConsole", "NoScreen"]


class NoScreen(HostError):
    """The VM has no screen, and gets none while it runs."""


class LibvirtConsole(LibvirtHost):
    """The consoles of this node's VMs. Every method raises HostError, also for a VM that does not run here."""

    def screen(self, name: str) -> socket.socket:
        """A connection to the VM's screen (RFB, RFC 6143), which nobody but libvirt can open: it listens nowhere."""
        if self._described(name).find("devices/graphics[@type='vnc']") is None:
            raise NoScreen(
                f"{name} was started without a screen",
                remedy="Declare screen: true and let it be restarted; its serial port is there in any case.",
            )
        with self._errors():
            domain = self._connection.lookupByName(name)
            return socket.socket(fileno=domain.openGraphicsFD(0, self._libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))

    def serial(self, name: str) -> str:
        """The path of the pseudo-terminal at the other end of the VM's serial port."""
        console = self._described(name).find("devices/console[@type='pty']")
        path = None if console is None else console.get("tty")
        if not path:
            raise HostError(f"{name} has no serial port")
        return path

    def _described(self, name: str) -> ET.Element:
        if self.seen(name).state is not State.RUNNING:
            raise HostError(f"{name} does not run here")
        with self._errors():
            return ET.fromstring(self._connection.lookupByName(name).XMLDesc(0))
