# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a node does for the other nodes, by name (see peer/channel.py)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from ..journal import book
from ..measure import probe
from ..migration import admission, disk_mirror, forwarding, progress, rootfs_receiver, switchover
from ..peer import facts
from ..peer.channel import Peer, PeerError
from ..peer.server import Service, serve
from ..storage.pool_mark import GUEST

__all__ = ["SERVICES", "main"]


def _forward(request: Mapping[str, Any], peer: Peer) -> None:
    """Put packets that came for a VM at its old node into its interface here."""
    admission.admit_unannounced(str(request["guest"]))
    forwarding.receive(request, peer, progress.arrived)


def _checked(service: Service) -> Service:
    """A service that is only asked about guests, and interfaces of guests, whose names can be such.

    They become parts of paths and of programs' arguments.
    """

    def serve_checked(request: Mapping[str, Any], peer: Peer) -> None:
        guest = request.get("guest", "a")
        # Of all guests is asked by naming none.
        guests = [guest, *(request.get("guests") or ()), *request.get("measure", ())]
        strange = [name for name in guests if not (isinstance(name, str) and GUEST.fullmatch(name))]
        # Of this guest and no other (definition.host_interface).
        tap = re.compile(re.escape(str(guest)[:8]) + "-[0-9a-f]{6}")
        strange += [name for name in request.get("taps", ()) if not (isinstance(name, str) and tap.fullmatch(name))]
        if strange:
            raise PeerError(f"{strange[0]!r} is no name of a guest, or of an interface of {guest!r}")
        service(request, peer)

    return serve_checked


_SERVICES: dict[str, Service] = {
    "admit": admission.service,
    "copy": rootfs_receiver.copy,
    "door": facts.door,
    "facts": facts.facts,
    "forward": _forward,
    "journal": book.service,
    "landed": switchover.service,
    "mirror": disk_mirror.make,
    "probe": probe.service,
    "progress": progress.service,
    "receive": rootfs_receiver.receive,
    "runs": rootfs_receiver.runs,
    "vm runs": switchover.runs,
    "suits": facts.suits,
}
SERVICES = {name: _checked(service) for name, service in _SERVICES.items()}


def main() -> int:
    """Serve until killed, on the address that the command line names."""
    serve(SERVICES, sys.argv[1])
    return 0
