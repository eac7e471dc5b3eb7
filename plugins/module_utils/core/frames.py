# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages on a stream of bytes: a letter that says of what kind each is, its length, and its bytes.

A program's session with another node goes by them (peer/session.py), and a guest's console does on its whole way from
the guest's node to the browser (agents/guest_console.py, steward/consoles.py, console/streams.py).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["AGAIN", "BYTES", "CONTROL", "ENDED", "HEAD", "LONGEST", "Incoming", "closing", "pack", "read"]

HEAD = struct.Struct("!cI")
#: Of a console: what is shown or typed, and words about it as JSON. ``{"resize": [COLUMNS, ROWS]}`` is of who looks,
#: ``{"replay": BYTES}`` says that what was shown before follows, ``{"close": CODE, "reason": TEXT}`` is the last.
BYTES, CONTROL = b"b", b"c"
#: Bytes of a message of a console.
LONGEST = 1 << 20
#: Close codes of a WebSocket, which go on from 4000 with HTTP's words: the guest is elsewhere or not to be reached just
#: now, and the program at the other end has ended.
AGAIN, ENDED = 4503, 4410


def pack(kind: bytes, data: bytes) -> bytes:
    """A message as it goes over the stream."""
    return HEAD.pack(kind, len(data)) + data


def closing(code: int, reason: str) -> bytes:
    """A console's last message: the WebSocket's close code, and why."""
    return pack(CONTROL, json.dumps({"close": code, "reason": reason}).encode())


def read(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The messages of a stream, until it ends."""
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        kind, size = HEAD.unpack(head)
        data = stream.read(size)
        if len(data) < size:
            return
        yield kind, data


class Incoming:
    """Messages out of bytes that come in pieces."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The messages that are whole with these bytes. Raises ValueError for one that is too long."""
        self._held += data
        while len(self._held) >= HEAD.size:
            kind, size = HEAD.unpack_from(self._held)
            if size > self._longest:
                raise ValueError(f"a message of {size} bytes is longer than {self._longest}")
            end = HEAD.size + size
            if len(self._held) < end:
                return
            body = bytes(self._held[HEAD.size : end])
            del self._held[:end]
            yield kind, body
