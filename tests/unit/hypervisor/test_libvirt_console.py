# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's screen and serial port, from libvirt."""

from __future__ import annotations

import socket

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_console import LibvirtConsole, NoScreen

from .fake_libvirt import Libvirt

SCREEN = "<graphics type='vnc'><listen type='none'/></graphics>"
CONSOLE = "<console type='pty' tty='/dev/pts/4'><source path='/dev/pts/4'/></console>"


class Vm(Libvirt):
    """A VM with these devices, whose screen is one end of a pair of sockets."""

    def __init__(self, devices: str, state: tuple[int, int] = (1, 1)) -> None:
        super().__init__(state)
        self.devices = devices
        self.ours, self.theirs = socket.socketpair()

    def XMLDesc(self, _flags: int) -> str:
        return f"<domain><devices>{self.devices}</devices></domain>"

    def openGraphicsFD(self, number: int, flags: str) -> int:
        assert (number, flags) == (0, "VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH")
        return self.theirs.detach()


def test_a_screen_is_what_libvirt_opens() -> None:
    vm = Vm(SCREEN)
    with LibvirtConsole(vm).screen("mail") as screen, vm.ours:
        vm.ours.sendall(b"RFB")
        assert screen.recv(8) == b"RFB"


def test_a_serial_port_has_its_other_end_on_the_node() -> None:
    assert LibvirtConsole(Vm(CONSOLE)).serial("mail") == "/dev/pts/4"


@pytest.mark.parametrize(
    ("vm", "what", "error", "words"),
    [
        (Vm(CONSOLE), "screen", NoScreen, "started without a screen"),
        (Vm(""), "serial", HostError, "no serial port"),
        (Vm(SCREEN, (5, 1)), "screen", HostError, "does not run here"),
        (Vm(CONSOLE, (3, 1)), "serial", HostError, "does not run here"),
    ],
)
def test_what_there_is_not_is_told(vm: Vm, what: str, error: type[HostError], words: str) -> None:
    with pytest.raises(error, match=words):
        getattr(LibvirtConsole(vm), what)("mail")
