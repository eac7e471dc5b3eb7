# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt's daemon when it is started anew under an agent: waiting until it answers again."""

from __future__ import annotations

from contextlib import suppress

from ..core.wait import Deadline, WaitTimeout
from ..hypervisor.libvirt_connection import HostError, LibvirtUnreachable
from ..hypervisor.libvirt_host import LibvirtHost
from .ocf import Request

__all__ = ["DESTROY_RESERVE", "answering", "come_back"]

#: Seconds kept for cutting a VM's power: libvirt asks QEMU for 10 s, then kills it.
DESTROY_RESERVE = 20.0
#: Seconds within which a daemon that was started anew answers.
_COMES_BACK = 10.0


def come_back(deadline: Deadline) -> LibvirtHost:
    """libvirt's daemon, when it answers again. Raises LibvirtUnreachable."""

    def connect() -> LibvirtHost | None:
        with suppress(LibvirtUnreachable):
            return LibvirtHost()
        return None

    timeout = min(_COMES_BACK, deadline.left(DESTROY_RESERVE))
    try:
        host = deadline.wait(connect, lambda host: host is not None, what="libvirt's daemon", timeout=timeout)
    except WaitTimeout as error:
        raise LibvirtUnreachable(str(error)) from error
    assert host is not None
    return host


def answering(request: Request, host: LibvirtHost) -> LibvirtHost:
    """A connection to libvirt that answers: this one, or a new one when its daemon has been started anew since."""
    try:
        host.seen(request.instance)
    except LibvirtUnreachable:
        with suppress(LibvirtUnreachable):
            return come_back(request.deadline)
    except HostError:
        pass  # it answers
    return host
