# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients of guests, against servers of this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.cspp.drover.plugins.module_utils.drill import clients
from ansible_collections.cspp.drover.plugins.module_utils.drill.clients import (
    Asker,
    LedgerClient,
    Service,
    find_service,
)
from ansible_collections.cspp.drover.plugins.module_utils.drill.records import Record


@contextmanager
def server(port: int = 0, greeting: bytes = b"") -> Iterator[int]:
    """Takes connections and says its greeting."""
    with socket.create_server(("127.0.0.1", port)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(greeting)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def wait(seconds: float) -> None:
    time.sleep(seconds)


def test_an_outage_lasts_from_the_last_answer_to_the_next() -> None:
    with server() as port:
        asker = Asker({"game": Service("127.0.0.1", port)})
        asker.start()
        wait(0.4)
        assert asker.answers("game")
        went = time.time()
    wait(1.5)
    [now] = asker.outages("game")
    assert now.end is None
    assert not asker.answers("game")
    with server(port):
        came = time.time()
        wait(0.4)
        [outage] = asker.stop()["game"]
    assert abs(outage.begin - went) < 0.2
    assert outage.end is not None and abs(outage.end - came) < 0.3


def test_a_short_outage_is_one_for_a_guest_that_is_struck_alone() -> None:
    with server() as port:
        service = {"web": Service("127.0.0.1", port)}
        struck, beside = Asker(service, briefly=["web"]), Asker(service)
        struck.start()
        beside.start()
        wait(0.4)
    wait(0.35)
    with server(port):
        wait(0.4)
        [outage] = struck.stop()["web"]
        assert outage.end is not None and outage.end - outage.begin < 0.6
        assert beside.stop()["web"] == []


def test_a_server_that_says_nothing_does_not_answer_one_who_expects_a_greeting() -> None:
    with server() as silent, server(greeting=b"SSH-2.0") as speaking:
        services = {"a": Service("127.0.0.1", silent, True), "b": Service("127.0.0.1", speaking, True)}
        asker = Asker(services)
        asker.start()
        wait(0.5)
        assert asker.answers("b")
        assert not asker.answers("a")
        asker.stop()
        assert find_service("127.0.0.1", speaking) == Service("127.0.0.1", speaking)


def test_a_ledgers_client_keeps_what_was_acknowledged(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(clients, "LEDGER_PORT", listening.getsockname()[1])
        client = LedgerClient("127.0.0.1")
        client.start()
        # It comes again when its session ends.
        for number in range(2):
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as said:
                assert said.readline() == b"append\n"
                assert said.readline() == b"\n"
                connection.sendall(Record("aaaa", number).block().strip() + b"\n")
                assert said.readline() == b"\n"
                connection.sendall(b"broken\n")
        wait(0.1)
        assert client.stop() == [Record("aaaa", 0), Record("aaaa", 1)]
        assert client.trouble == "broken"
