# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Joining a program's input and output to a connection between two nodes."""

from __future__ import annotations

import os
import select
import ssl

from .channel import Peer

__all__ = ["relay"]

#: Bytes that wait for a slow reader before no more are taken.
_ENOUGH = 1 << 20
_CHUNK = 1 << 18


class _Way:
    """One direction: the bytes that were taken in and not handed on yet; ``open`` until its source has ended."""

    def __init__(self, held: bytes = b"") -> None:
        self.held = bytearray(held)
        self.open = True

    @property
    def hungry(self) -> bool:
        """Whether more is to be taken in."""
        return self.open and len(self.held) < _ENOUGH

    @property
    def done(self) -> bool:
        """Whether all has been handed on, and nothing more will come."""
        return not self.open and not self.held

    def take(self, data: bytes) -> None:
        """Take bytes in; none mean the end."""
        self.held += data
        self.open = bool(data)


def relay(peer: Peer, source: int, sink: int) -> None:
    """Carry bytes from the file descriptor ``source`` into the connection and from there to ``sink``.

    Returns when either of the two has come to its end and what was taken in has been handed on. One thread for
    both directions: a TLS connection must not be used by two at once.
    """
    stream = peer.stream
    stream.setblocking(False)
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    out, back = _Way(), _Way(peer.ahead())
    sink_open = True
    while not (out.done or back.done):
        poll = select.poll()
        if out.hungry and back.open:
            poll.register(source, select.POLLIN)
        if back.held:
            poll.register(sink, select.POLLOUT)
        # Only with a wish: one that has ended reports that at once and for ever, also to who asks for nothing.
        wishes = (select.POLLIN if back.hungry else 0) | (select.POLLOUT if out.held and back.open else 0)
        if wishes:
            poll.register(stream, wishes)
        # What has been decrypted already does not wake anybody.
        ready = dict(poll.poll(0 if back.hungry and stream.pending() else None))
        if source in ready:
            out.take(os.read(source, _CHUNK))
        if sink in ready:
            try:
                del back.held[: os.write(sink, back.held)]
            except BrokenPipeError:  # it may still have last words to say
                sink_open = False
        try:
            if back.hungry:
                back.take(stream.recv(_CHUNK))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            back.open = False
        if not sink_open:
            back.held.clear()
        try:
            if out.held and back.open:
                del out.held[: stream.send(out.held)]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            back.open = False
