# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's console on the node where it runs, for the steward of any node: a VM's screen (``vnc``) or serial port
(``serial``), a container's ``terminal``.

The answer is ``{}``, and messages follow (core/frames.py), or ``{"none": TEXT, "remedy": TEXT}`` for a guest that has
no such console. The connection ends when the guest does or moves on: whoever looks asks where it is then.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..core import frames
from ..hypervisor.libvirt_console import LibvirtConsole, NoScreen
from ..hypervisor.lxc_host import LxcHost
from ..peer.channel import Peer, PeerError
from ..peer.splice import relay
from . import terminals
from .attach import RUNNING

__all__ = ["KINDS", "framed", "service"]

_CHUNK = 1 << 16

#: Opens a console of a guest of this node for somebody: a connection on which messages go.
Open = Callable[[str, str], socket.socket]


def service(request: Mapping[str, Any], peer: Peer, kinds: Mapping[str, Open] | None = None) -> None:
    """Service: the console ``kind`` of a guest that runs on this node, for the user ``who`` of the console."""
    opens = (kinds or KINDS).get(str(request["kind"]))
    if opens is None:
        kind = request["kind"]
        raise PeerError(f"this node knows no console {kind!r}: its Drover is of another version; run site.yml")
    try:
        console = opens(str(request["guest"]), str(request["who"]))
    except NoScreen as error:
        peer.send({"none": error.cause, "remedy": error.remedy})
        return
    with console:
        peer.send({})
        # It may be silent for as long as it likes.
        peer.stream.settimeout(None)
        # Two descriptors: of one, only the last wish would be waited for.
        source, sink = os.dup(console.fileno()), os.dup(console.fileno())
        try:
            relay(peer, source, sink)
        finally:
            os.close(source)
            os.close(sink)


def _terminal(guest: str, who: str) -> socket.socket:
    if LxcHost().state(guest) != RUNNING:
        raise PeerError(f"{guest} does not run here")
    # Nobody types into a shell of somebody else's.
    return terminals.connection(f"{guest}.{hashlib.sha256(who.encode()).hexdigest()[:12]}", "shell", guest)


def _serial(guest: str, _who: str) -> socket.socket:
    device = LibvirtConsole().serial(guest)
    # A serial port has one other end. That of the VM's next start is another one.
    return terminals.connection(f"{guest}.{device.rpartition('/')[2]}", "device", device)


def _screen(guest: str, _who: str) -> socket.socket:
    return framed(LibvirtConsole().screen(guest))


#: The consoles there are, and how each is opened.
KINDS: Mapping[str, Open] = {"vnc": _screen, "serial": _serial, "terminal": _terminal}


def framed(stream: socket.socket) -> socket.socket:
    """The other end of a stream of bytes, where they go as messages."""
    ours, theirs = socket.socketpair()

    def out() -> None:
        with suppress(OSError):
            while data := stream.recv(_CHUNK):
                ours.sendall(frames.pack(frames.BYTES, data))
        with suppress(OSError):
            ours.sendall(frames.closing(frames.AGAIN, "the VM has ended here, or moved on"))
            ours.shutdown(socket.SHUT_WR)

    def back() -> None:
        with suppress(OSError), ours.makefile("rb") as said:
            for kind, data in frames.read(said):
                if kind == frames.BYTES:
                    stream.sendall(data)
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)

    for way in (out, back):
        threading.Thread(target=way, daemon=True).start()
    return theirs
