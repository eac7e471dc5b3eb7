# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients of guests, for tests: one that holds a session, and one that asks again and again."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass

from ansible_collections.cspp.drover.plugins.module_utils.measure.probe import Probe, Target

__all__ = ["Outage", "OutageProbe", "Session", "SessionProbe", "answers"]

_RATE = 100


@dataclass(frozen=True)
class Session:
    """What became of one TCP session.

    ``silence`` is the longest time in seconds between two echoes. ``broken`` says how the session ended when it did
    not last.
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


class SessionProbe:
    """Holds one TCP session to an echo server and sends a numbered line ``rate`` times a second."""

    def __init__(self, host: str, port: int = 7, *, rate: int = _RATE) -> None:
        self._probe = Probe(Target("tcp", host, port, rate))

    def start(self) -> None:
        """Open it. Raises ProbeError unless the server echoes."""
        self._probe.start()

    def stop(self) -> Session:
        """End the session and tell what became of it."""
        seen = self._probe.stop()
        return Session(seen["sent"], seen["received"], seen["silence_ms"] / 1000, seen["broken"])


class OutageProbe(threading.Thread):
    """Opens a new connection every ``interval`` seconds and notes when one is answered.

    For outages of seconds: what is down is asked again and again, and may be down at the start.
    """

    def __init__(self, host: str, port: int, *, greeting: bool = False, interval: float = 0.05) -> None:
        super().__init__(daemon=True)
        self.host, self.port = host, port
        self._ending = threading.Event()
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
        self._ending.set()
        self.join(timeout=10)
        silent = time.monotonic() - self.last
        # A last try that a busy machine let fail is no outage.
        return Outage(max(self.longest, silent), self.count, self.up or silent < self.longest)
