# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client sees of a guest, measured from outside: the longest silence of a session, the length of an outage.

Each probe is a thread. Start it, do what is to be measured, stop it, read its result. Times are seconds of
the monotonic clock.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from dataclasses import dataclass

__all__ = ["Outage", "OutageProbe", "Session", "SessionProbe", "answers"]


@dataclass(frozen=True)
class Session:
    """What became of one TCP session.

    ``silence`` is the longest time between two echoes. ``broken`` says how the session ended when it did not last.
    """

    sent: int
    received: int
    silence: float
    broken: str | None

    @property
    def alive(self) -> bool:
        return self.broken is None


@dataclass(frozen=True)
class Outage:
    """The longest time between two answers to fresh connections, and how many of them there were.

    ``over`` is false when the guest had not answered again by the end.
    """

    length: float
    answers: int
    over: bool


def answers(host: str, port: int, *, timeout: float = 0.5, greeting: bool = False) -> bool:
    """Whether a new TCP connection is taken, and with ``greeting`` whether the server then says something."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            if not greeting:
                return True
            connection.settimeout(timeout)
            return bool(connection.recv(64))
    except OSError:
        return False


class _Probe(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(daemon=True)
        self.host, self.port = host, port
        self._ending = threading.Event()

    def _end(self) -> None:
        self._ending.set()
        self.join(timeout=10)


class SessionProbe(_Probe):
    """Holds one TCP session to an echo server and sends a numbered line ``rate`` times a second."""

    def __init__(self, host: str, port: int = 7, *, rate: int = 100) -> None:
        super().__init__(host, port)
        self.interval = 1 / rate
        self.sent = self.received = 0
        self.silence = 0.0
        self.broken: str | None = None
        self._connection = socket.create_connection((host, port), 5)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.setblocking(False)

    def run(self) -> None:
        last = due = time.monotonic()
        while not self._ending.is_set():
            readable, _writable, _failed = select.select([self._connection], [], [], max(0.0, due - time.monotonic()))
            now = time.monotonic()
            try:
                if readable:
                    data = self._connection.recv(65536)
                    if not data:
                        self.broken = "closed by the guest"
                        return
                    self.received += data.count(b"\n")
                    self.silence = max(self.silence, now - last)
                    last = now
                if now >= due:
                    due += self.interval
                    with contextlib.suppress(BlockingIOError):  # a full buffer is silence, not an error
                        self._connection.send(b"%d\n" % self.sent)
                        self.sent += 1
            except OSError as error:
                self.broken = error.strerror or str(error)
                return
        self.silence = max(self.silence, time.monotonic() - last)

    def stop(self) -> Session:
        """End the session and tell what became of it."""
        self._end()
        self._connection.close()
        return Session(self.sent, self.received, self.silence, self.broken)


class OutageProbe(_Probe):
    """Opens a new connection every ``interval`` seconds and notes when one is answered."""

    def __init__(self, host: str, port: int, *, greeting: bool = False, interval: float = 0.05) -> None:
        super().__init__(host, port)
        self.greeting, self.interval = greeting, interval
        self.longest = 0.0
        self.count = 0
        self.last = time.monotonic()
        self.up = True

    def run(self) -> None:
        while not self._ending.is_set():
            self.up = answers(self.host, self.port, greeting=self.greeting)
            if self.up:
                now = time.monotonic()
                self.longest = max(self.longest, now - self.last)
                self.last = now
                self.count += 1
            self._ending.wait(self.interval)

    def stop(self) -> Outage:
        """Tell the longest outage so far, one that is still going on included."""
        self._end()
        return Outage(max(self.longest, time.monotonic() - self.last), self.count, self.up)
