# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program that runs on one node with its input, both outputs and exit status on another, over one connection.

Both ways go messages (core/frames.py). ``i`` is input, an empty one its end; ``o`` and ``e`` are output and error
output; ``x`` the exit status as text, the last of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from ..core import frames
from ..core.parting import part
from .channel import Peer, PeerError
from .splice import relay

__all__ = ["follow", "offer"]

_CHUNK = 1 << 16
#: Bytes of input that may be on their way to a program that has ended.
_UNREAD = 64 << 20


def offer(peer: Peer, argv: Sequence[str]) -> None:
    """Run a program for the other end, to its end; or to that of the connection, which ends the program."""
    frames_in, received = os.pipe()
    to_send, frames_out = os.pipe()
    program = subprocess.Popen(
        list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert program.stdin and program.stdout and program.stderr
    lock = threading.Lock()
    outputs = [
        threading.Thread(target=_pack, args=(stream, letter, frames_out, lock), daemon=True)
        for stream, letter in ((program.stdout, b"o"), (program.stderr, b"e"))
    ]

    def end() -> None:
        for thread in outputs:
            thread.join()
        with suppress(OSError):
            _write(frames_out, b"x", str(program.wait()).encode(), lock)
        os.close(frames_out)

    for thread in (*outputs, threading.Thread(target=_feed, args=(frames_in, program.stdin), daemon=True)):
        thread.start()
    last = threading.Thread(target=end, daemon=True)
    last.start()
    try:
        relay(peer, to_send, received)
        # A program need not have read all of its input, some of which is still on its way.
        with suppress(OSError):
            part(peer.stream, _UNREAD)
    finally:
        os.close(received)
        if program.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGTERM)


def follow(peer: Peer, source: BinaryIO, output: BinaryIO, errors: BinaryIO) -> int:
    """Be the program that the other end offers: give it this input, and write what it says. Returns its exit status.
    Raises PeerError when the connection ends before the program."""
    frames_in, received = os.pipe()
    to_send, frames_out = os.pipe()
    status: list[int] = []

    def give() -> None:
        with suppress(OSError):
            _pack(source, b"i", frames_out, threading.Lock())
            _write(frames_out, b"i", b"", threading.Lock())

    def take() -> None:
        with os.fdopen(frames_in, "rb") as stream:
            for letter, data in frames.read(stream):
                if letter == b"x":
                    status.append(int(data))
                    return
                sink = output if letter == b"o" else errors
                sink.write(data)
                sink.flush()

    threading.Thread(target=give, daemon=True).start()
    taking = threading.Thread(target=take, daemon=True)
    taking.start()
    relay(peer, to_send, received)
    os.close(received)
    taking.join()
    if not status:
        raise PeerError("the connection broke off before the program had ended")
    # A program that a signal ended has its number, as a shell tells it.
    return status[0] if status[0] >= 0 else 128 - status[0]


def _pack(stream: BinaryIO, letter: bytes, sink: int, lock: threading.Lock) -> None:
    """Send what comes out of a stream, as it comes."""
    with suppress(OSError, ValueError):
        while data := os.read(stream.fileno(), _CHUNK):
            _write(sink, letter, data, lock)


def _feed(received: int, sink: BinaryIO) -> None:
    """Hand a program its input. One that has ended wants no more, and it is thrown away."""
    with os.fdopen(received, "rb") as stream:
        for letter, data in frames.read(stream):
            with suppress(OSError, ValueError):
                if letter == b"i" and data:
                    sink.write(data)
                    sink.flush()
                else:
                    sink.close()
    with suppress(OSError):
        sink.close()


def _write(sink: int, letter: bytes, data: bytes, lock: threading.Lock) -> None:
    frame = memoryview(frames.pack(letter, data))
    with lock:
        while frame:
            frame = frame[os.write(sink, frame) :]
