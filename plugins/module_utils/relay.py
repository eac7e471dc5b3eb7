# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Joining a program's input and output to a connection between two nodes."""

from __future__ import annotations

import os
import select
import ssl
import sys

from .peer import Peer, PeerError

__all__ = ["launch", "relay"]

#: Bytes that wait for a slow reader before no more are taken.
_ENOUGH = 1 << 20
_CHUNK = 1 << 18


def relay(stream: ssl.SSLSocket, source: int, sink: int) -> None:
    """Carry bytes from the file descriptor ``source`` into the connection and from there to ``sink``.

    Returns when either of the two has come to its end and what was taken in has been handed on. One thread for
    both directions: a TLS connection must not be used by two at once.
    """
    stream.setblocking(False)
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    out, back = bytearray(), bytearray()
    source_open = stream_open = sink_open = True
    while (source_open and stream_open) or (back if not stream_open else out):
        poll = select.poll()
        if source_open and stream_open and len(out) < _ENOUGH:
            poll.register(source, select.POLLIN)
        if back:
            poll.register(sink, select.POLLOUT)
        wishes = select.POLLIN if stream_open and len(back) < _ENOUGH else 0
        poll.register(stream, wishes | (select.POLLOUT if out else 0))
        # What has been decrypted already does not wake anybody.
        ready = dict(poll.poll(0 if stream.pending() and len(back) < _ENOUGH else None))
        if source in ready:
            data = os.read(source, _CHUNK)
            out += data
            source_open = bool(data)
        if sink in ready:
            try:
                del back[: os.write(sink, back)]
            except BrokenPipeError:  # it may still have last words to say
                sink_open = False
        if not sink_open:
            back.clear()
        try:
            if stream_open and len(back) < _ENOUGH:
                data = stream.recv(_CHUNK)
                back += data
                stream_open = bool(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            stream_open = False
        try:
            if out and stream_open:
                del out[: stream.send(out)]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            stream_open = False


def launch() -> int:
    """What rsync starts instead of a remote shell: ``copy GUEST PATH NODE rsync --server OPTION... . PLACE``."""
    guest, path, node, _rsync, _server, *options = sys.argv[1:]
    request = {"do": "copy", "guest": guest, "path": path, "options": options[: options.index(".")]}
    try:
        with Peer.connect(node, request) as peer:
            peer.receive()
            relay(peer.stream, sys.stdin.fileno(), sys.stdout.fileno())
    except (PeerError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
