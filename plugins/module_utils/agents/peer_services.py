# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a node does for the other nodes, by name (see peer/channel.py)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..journal import book
from ..measure import load, probe
from ..migration import admission, disk_mirror, forwarding, progress, rootfs_receiver, switchover
from ..peer import facts, hardware, signs
from ..peer.channel import Peer, PeerError
from ..peer.server import Service, serve
from ..storage.pool_mark import GUEST
from . import attach, guest_console

__all__ = ["SERVICES", "main"]

#: Absolute, and one way to write it: no empty part, no "." and no "..", nothing that ends a line.
_PATH = re.compile(r"(/(?!\.{0,2}(/|$))[^/\0-\x1f\x7f]+)+")
_FORMAT = re.compile("qcow2|raw")


def _forward(request: Mapping[str, Any], peer: Peer) -> None:
    """Put packets that came for a VM at its old node into its interface here."""
    admission.admit_unannounced(str(request["guest"]))
    forwarding.receive(request, peer, progress.arrived)


def _checked(service: Service) -> Service:
    """A service that is only asked about guests, interfaces of guests, nodes, paths and formats that can be such.

    They become parts of paths and of programs' arguments. Which of the paths are a guest's, the services know.
    """

    def serve_checked(request: Mapping[str, Any], peer: Peer) -> None:
        strange = next(_strange(request), None)
        if strange is not None:
            raise PeerError(strange)
        service(request, peer)

    return serve_checked


def _strange(request: Mapping[str, Any]) -> Iterator[str]:
    """What in a request is not what it is to be, in words."""
    guest = request.get("guest", "a")
    # Of all guests is asked by naming none.
    guests = [guest, *(request.get("guests") or ()), *request.get("measure", ())]
    # Of this guest and no other (definition.host_interface).
    tap = re.compile(re.escape(str(guest)[:8]) + "-[0-9a-f]{6}")
    volumes = [*request.get("disks", ()), *request.get("seeds", ())]
    paths = [*request.get("paths", ()), *request.get("count", ()), *(volume["path"] for volume in volumes)]
    paths += [request["path"]] if "path" in request else []
    for pattern, words, what in (
        (GUEST, guests, "name of a guest"),
        (tap, request.get("taps", ()), f"interface of {guest!r}"),
        (GUEST, [*request.get("reach", ()), *([request["node"]] if "node" in request else [])], "name of a node"),
        (_PATH, paths, "path that is written as it should be"),
        (_FORMAT, [disk["format"] for disk in request.get("disks", ())], "format of a disk"),
    ):
        for word in words:
            if not (isinstance(word, str) and pattern.fullmatch(word)):
                yield f"{word!r} is no {what}"


_SERVICES: dict[str, Service] = {
    "admit": admission.service,
    "attach": attach.service,
    "console": guest_console.service,
    "copy": rootfs_receiver.copy,
    "door": facts.door,
    "facts": facts.facts,
    "forward": _forward,
    "hardware": hardware.service,
    "journal": book.service,
    "landed": switchover.service,
    "load": load.now,
    "mirror": disk_mirror.make,
    "past load": load.past,
    "probe": probe.service,
    "progress": progress.service,
    "receive": rootfs_receiver.receive,
    "runs": rootfs_receiver.runs,
    "signs": signs.service,
    "vm runs": switchover.runs,
    "suits": facts.suits,
}
SERVICES = {name: _checked(service) for name, service in _SERVICES.items()}


def main() -> int:
    """Serve until killed, on the address that the command line names."""
    serve(SERVICES, sys.argv[1])
    return 0
