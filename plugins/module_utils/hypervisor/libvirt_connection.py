# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection to libvirt's daemon on this node: its errors, its events, and its domains by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..core.errors import DroverError

__all__ = ["HostError", "LibvirtConnection", "LibvirtUnreachable", "VmGone"]

_URI = "qemu:///system"


class HostError(DroverError):
    """libvirt refused or failed; the text is libvirt's own."""


class VmGone(HostError):
    """libvirt does not know the VM, or no longer."""


class LibvirtUnreachable(HostError):
    """libvirt's daemon does not answer. Its VMs may well run."""


class LibvirtConnection:
    """A connection to libvirt on this node. Every method raises HostError when libvirt fails it."""

    def __init__(self, libvirt: Any = None, *, events: bool = False) -> None:
        """Connect. Raises LibvirtUnreachable when that fails. ``libvirt`` replaces the module in tests.

        With ``events``, a thread of this process hears what libvirt tells of itself, as a watch of a VM needs.
        """
        if libvirt is None:
            import libvirt as installed  # costs more than the rest of an agent together: only when needed

            libvirt = installed
        self._libvirt = libvirt
        # By default the library prints every error on stderr, also those that are answers.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        if events:
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=self._hear, daemon=True).start()
        try:
            self._connection = self._open()
        except libvirt.libvirtError as error:
            raise LibvirtUnreachable(f"libvirt does not answer on this node: {error}") from error

    def _open(self) -> Any:
        return self._libvirt.open(_URI)

    def _hear(self) -> None:
        while True:
            with suppress(self._libvirt.libvirtError):
                self._libvirt.virEventRunDefaultImpl()

    def _on(self, name: str, do: Callable[[Any], object]) -> None:
        with self._errors():
            do(self._connection.lookupByName(name))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                raise VmGone(str(error)) from error
            if self._connection.isAlive() != 1:
                raise LibvirtUnreachable(str(error)) from error
            raise HostError(str(error)) from error
