# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients outside of the nodes: who asks guests again and again, and who has them keep a ledger."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.errors import DroverError
from .records import Record, blocks, parse

__all__ = ["LEDGER_PORT", "Asker", "LedgerClient", "Outage", "Service", "find_service", "keeps_ledger", "read_ledger"]

LEDGER_PORT = 10
#: Seconds between two questions, and how long each may take: while a guest is away, the next ones are on their way
#: already, so that its return is seen within the interval.
_INTERVAL, _PATIENCE = 0.1, 1.5
#: Seconds between two answers that make an outage rather than a busy machine; and of one who was struck alone, whose
#: machine is no busier than before, and may start it anew in half a second.
_OUTAGE, _BRIEF = 0.6, 0.25
#: Seconds for a record. The first one after a start takes longest: an emulated VM has to find the ledger's end.
_ACKNOWLEDGES_WITHIN = 5.0
#: Records a second that a client asks for.
_RATE = 5.0


class Service(NamedTuple):
    """Where a guest answers: by taking a connection or, with ``greeting``, by saying something first."""

    host: str
    port: int
    greeting: bool = False


#: What is tried of a guest of which nobody has said where it answers: SSH, echo, the web.
_USUAL = ((22, True), (7, False), (80, False), (443, False))


class Outage(NamedTuple):
    """A time without answers, in seconds since the epoch. ``end`` is None while it lasts."""

    begin: float
    end: float | None


@dataclass
class _Answers:
    """When one guest answered, and each time without an answer that is longer than ``least`` seconds."""

    least: float
    last: float | None = None
    outages: list[Outage] = field(default_factory=list)

    def note(self, now: float) -> None:
        """One more answer."""
        if self.last is not None and now - self.last > self.least:
            self.outages.append(Outage(self.last, now))
        self.last = now


def find_service(host: str, port: int | None = None) -> Service | None:
    """Where a guest answers: at ``port``, or at the first of the usual ones; None when it does not."""
    tried = [(port, False)] if port else _USUAL
    for one, greeting in tried:
        with suppress(OSError), socket.create_connection((host, one), 2) as connection:
            if greeting:
                connection.settimeout(2)
                if not connection.recv(64):
                    continue
            return Service(host, one, greeting)
    return None


class Asker(threading.Thread):
    """Opens new connections to each guest's service from ``start()`` to ``stop()``, and notes when one is answered.

    Of the guests ``briefly`` also a short time without an answer counts as an outage.
    """

    def __init__(self, services: Mapping[str, Service], briefly: Collection[str] = ()) -> None:
        super().__init__(daemon=True)
        self._services = dict(services)
        self._answers = {guest: _Answers(_BRIEF if guest in briefly else _OUTAGE) for guest in services}
        self._ending = threading.Event()

    def run(self) -> None:
        with selectors.DefaultSelector() as waiting:
            due = time.monotonic()
            while not self._ending.is_set():
                for guest, service in self._services.items():
                    self._ask(waiting, guest, service)
                due += _INTERVAL
                while (left := due - time.monotonic()) > 0:
                    self._hear(waiting, left)
                due = max(due, time.monotonic() - _INTERVAL)
                self._give_up(waiting, time.time() - _PATIENCE)
            self._give_up(waiting, time.time())

    def stop(self) -> dict[str, list[Outage]]:
        """The outages of each guest, one that still lasts among them."""
        self._ending.set()
        self.join(timeout=10)
        return {guest: self.outages(guest) for guest in self._services}

    def outages(self, guest: str) -> list[Outage]:
        """The outages so far."""
        seen = self._answers[guest]
        if seen.last is not None and time.time() - seen.last > seen.least:
            return [*seen.outages, Outage(seen.last, None)]
        return list(seen.outages)

    def answers(self, guest: str) -> bool:
        """Whether the guest has answered just now."""
        seen = self._answers[guest].last
        return seen is not None and time.time() - seen < _OUTAGE

    def _ask(self, waiting: selectors.BaseSelector, guest: str, service: Service) -> None:
        family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.connect_ex((service.host, service.port))
        waiting.register(connection, selectors.EVENT_WRITE, (guest, time.time()))

    def _hear(self, waiting: selectors.BaseSelector, seconds: float) -> None:
        for key, _events in waiting.select(seconds):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            guest, _asked = key.data
            if key.events == selectors.EVENT_WRITE:
                if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self._end(waiting, connection)
                    continue
                if self._services[guest].greeting:
                    waiting.modify(connection, selectors.EVENT_READ, key.data)
                    continue
                answered = True
            else:
                try:
                    answered = bool(connection.recv(64))
                except OSError:
                    answered = False
            if answered:
                self._answers[guest].note(time.time())
            self._end(waiting, connection)

    def _give_up(self, waiting: selectors.BaseSelector, before: float) -> None:
        for key in list(waiting.get_map().values()):
            if key.data[1] < before:
                assert isinstance(key.fileobj, socket.socket)
                self._end(waiting, key.fileobj)

    @staticmethod
    def _end(waiting: selectors.BaseSelector, connection: socket.socket) -> None:
        waiting.unregister(connection)
        connection.close()


class LedgerClient(threading.Thread):
    """Has a guest append to its ledger from ``start()`` to ``stop()``, and keeps what was acknowledged."""

    def __init__(self, host: str) -> None:
        super().__init__(daemon=True)
        self.host = host
        self.acknowledged: list[Record] = []
        self.trouble = ""
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            # Whatever ends the session, the next one goes on where the guest is then.
            with suppress(OSError), socket.create_connection((self.host, LEDGER_PORT), 1) as connection:
                self._append(connection)
            self._ending.wait(0.2)

    def stop(self) -> list[Record]:
        """The records that were acknowledged, in that order."""
        self._ending.set()
        self.join(timeout=10)
        return list(self.acknowledged)

    def _append(self, connection: socket.socket) -> None:
        connection.settimeout(_ACKNOWLEDGES_WITHIN)
        connection.sendall(b"append\n")
        with connection.makefile("rb") as said:
            while not self._ending.wait(1 / _RATE):
                connection.sendall(b"\n")
                line = said.readline()
                record = parse(line)
                if record is None:
                    self.trouble = line.decode(errors="replace").strip()
                    return
                self.acknowledged.append(record)


def keeps_ledger(host: str) -> bool:
    """Whether a guest keeps a ledger, and has where to."""
    with suppress(OSError, DroverError):
        read_ledger(host)
        return True
    return False


def read_ledger(host: str) -> list[bytes]:
    """The ledger's blocks as the guest reads them from its disk. Raises OSError, DroverError."""
    with socket.create_connection((host, LEDGER_PORT), 5) as connection:
        connection.settimeout(60)
        connection.sendall(b"read\n")
        found = b"".join(_pieces(connection))
    if found.endswith(b"is not a ledger\n"):
        raise DroverError(f"{host} has nowhere to keep a ledger: {found.decode(errors='replace').strip()}")
    return blocks(found)


def _pieces(connection: socket.socket) -> Iterable[bytes]:
    while piece := connection.recv(65536):
        yield piece
