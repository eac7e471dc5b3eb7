# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Consoles of guests: found on the node where the guest is now, and carried to the console's process for as long as
whoever looks may look.

When the guest moves, the connection ends with AGAIN (core/frames.py): the page asks anew, and is led to where it is.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..cluster.guests import guest_of
from ..core import frames
from ..peer.channel import Peer, PeerError
from ..peer.splice import relay
from .overview import Eyes
from .trouble import Trouble, invalid, unknown
from .wire import Ongoing

__all__ = ["KINDS", "Consoles", "carry"]

#: The consoles, and the kind of guest that has each.
KINDS = {"vnc": "vm", "serial": "vm", "terminal": "container"}
#: Seconds for a guest to be somewhere, between two looks where, between two questions whether one may still look on,
#: and for a slow browser.
_PATIENCE, _AGAIN, _RECHECK, _SLOW = 10.0, 0.5, 5.0, 30.0
#: Consoles at a time: of one user, and of all, which is less than half of all requests that are served at a time.
_EACH, _TOGETHER = 8, 24
_CHUNK = 1 << 16


class Consoles:
    """The consoles that this node's steward has open, and the way to new ones. ``connect`` asks another node."""

    def __init__(
        self,
        eyes: Eyes,
        connect: Callable[..., Peer] = Peer.connect,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._eyes, self._connect, self._clock, self._sleep = eyes, connect, clock, sleep
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def open(self, guest: str, kind: str, who: str, refusal: Callable[[], Trouble | None]) -> Ongoing:
        """A guest's console for a user, for as long as ``refusal`` has nothing against it. Raises Trouble."""
        with self._lock:
            if self._open[who] >= _EACH or self._open.total() >= _TOGETHER:
                raise Trouble("too_many", 429, f"{self._open[who]} consoles of yours are open", remedy="Close one.")
            self._open[who] += 1
        try:
            peer = self.attach(guest, kind, who)
        except BaseException:
            self._closed(who)
            raise

        def carried(connection: socket.socket) -> None:
            try:
                carry(connection, peer, refusal)
            finally:
                self._closed(who)

        return Ongoing({"guest": guest, "kind": kind}, carried)

    def _closed(self, who: str) -> None:
        with self._lock:
            self._open[who] -= 1

    def attach(self, guest: str, kind: str, who: str) -> Peer:
        """A connection to a guest's console where it is now. Raises Trouble."""
        if kind not in KINDS:
            raise invalid(f"there is no console {kind!r}", f"Consoles are {', '.join(KINDS)}.")
        until = self._clock() + _PATIENCE
        asked = {"do": "console", "guest": guest, "kind": kind, "who": who}
        while True:
            why = f"{guest} runs on no node now"
            for node in self._nodes(guest, kind):
                try:
                    peer = self._connect(node, asked)
                    answer = peer.receive()
                except PeerError as error:  # it has gone on since, or is not up yet
                    why = error.cause
                    continue
                if "none" in answer:
                    peer.close()
                    raise Trouble("no_console", 409, str(answer["none"]), remedy=str(answer.get("remedy", "")))
                return peer
            if self._clock() >= until:
                raise Trouble("not_there", 503, why, remedy="Start it, or wait until it has arrived.")
            self._sleep(_AGAIN)

    def _nodes(self, guest: str, kind: str) -> tuple[str, ...]:
        sight = self._eyes.see()
        if guest not in sight.live.guests():
            raise unknown(f"there is no guest {guest}", "GET /cluster shows those there are.")
        definition: dict[str, Any] = guest_of(sight.live.primitives[guest]) or {}
        if definition.get("kind") != KINDS[kind]:
            has = [name for name, of in KINDS.items() if of == definition.get("kind")]
            raise invalid(f"{guest} has no console {kind}", f"It has {' and '.join(has)}.")
        seen = sight.status.resource(guest)
        return tuple(seen.nodes) if seen is not None else ()


def carry(
    connection: socket.socket, peer: Peer, refusal: Callable[[], Trouble | None], every: float = _RECHECK
) -> None:
    """Carry a console's messages both ways until either end closes, or until ``refusal``, which is asked ``every`` so
    many seconds, has something against it. That is told as the reason."""
    arriving, arrived = os.pipe()
    to_send, sent = os.pipe()
    # What is said to one whose end is slow waits so long and no longer.
    connection.settimeout(_SLOW)
    threads = [
        threading.Thread(target=_relay, args=(peer, to_send, arrived), daemon=True),
        threading.Thread(target=_up, args=(connection, sent), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        with suppress(OSError, ValueError):
            connection.sendall(_down(connection, arriving, refusal, every))
    finally:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        os.close(arriving)
        for thread in threads:
            thread.join(_SLOW)


def _down(connection: socket.socket, arriving: int, refusal: Callable[[], Trouble | None], every: float) -> bytes:
    """Hand on what comes from the guest, and return the last words."""
    incoming, due = frames.Incoming(), time.monotonic() + every
    poll = select.poll()
    poll.register(arriving, select.POLLIN)
    while True:
        ready = poll.poll(max(0.0, due - time.monotonic()) * 1000)
        if time.monotonic() >= due:
            trouble = refusal()
            if trouble is not None:
                return frames.closing(4000 + trouble.status, trouble.cause)
            due = time.monotonic() + every
        if not ready:
            continue
        data = os.read(arriving, _CHUNK)
        if not data:
            return frames.closing(frames.AGAIN, "the guest's node does not answer any more")
        # Whole messages only, so that the last words are none of another's.
        for kind, body in incoming.feed(data):
            connection.sendall(frames.pack(kind, body))
            if kind == frames.CONTROL and b'"close"' in body:
                return b""


def _up(connection: socket.socket, sent: int) -> None:
    """Hand on what the browser sends, whole messages of a size that there is."""
    incoming = frames.Incoming()
    with suppress(OSError, ValueError), os.fdopen(sent, "wb", buffering=0) as sink:
        while True:
            try:
                data = connection.recv(_CHUNK)
            except TimeoutError:
                continue
            if not data:
                return
            for kind, body in incoming.feed(data):
                message = memoryview(frames.pack(kind, body))
                while message:
                    message = message[sink.write(message) :]


def _relay(peer: Peer, source: int, sink: int) -> None:
    with peer:
        try:
            relay(peer, source, sink)
        finally:
            os.close(source)
            os.close(sink)
