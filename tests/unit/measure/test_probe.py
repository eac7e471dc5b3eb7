# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes: what people write, and what is measured, against services on this machine that misbehave as a table says."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.measure import prober
from ansible_collections.cspp.drover.plugins.module_utils.measure.probe import (
    Probe,
    ProbeError,
    RemoteProbe,
    Target,
    parse,
    service,
    told,
)
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError
from ansible_collections.cspp.drover.tests.clients import SessionProbe


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ping", Target("ping", "", 0, 100)),
        ("ping://10.0.0.20", Target("ping", "10.0.0.20", 0, 100)),
        ("ping://[FD00::20]?rate=50", Target("ping", "fd00::20", 0, 50)),
        ("tcp://10.0.0.20:7", Target("tcp", "10.0.0.20", 7, 100)),
        ("tcp://:7", Target("tcp", "", 7, 100)),
        ("udp://[fd00::20]:7?rate=1000", Target("udp", "fd00::20", 7, 1000)),
        ("tcp://game.example.org:25565", Target("tcp", "game.example.org", 25565, 100)),
    ],
)
def test_what_people_write(text: str, target: Target) -> None:
    assert parse(text) == target
    assert parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write ping, ping://ADDRESS"),
        ("pong", "write ping"),
        ("10.0.0.20:7", "write ping"),
        ("http://10.0.0.20:80", "tcp://ADDRESS:PORT"),
        ("tcp://10.0.0.20", "needs a port: write tcp://ADDRESS:PORT"),
        ("tcp://10.0.0.20:0", "needs a port"),
        ("tcp://10.0.0.20:70000", "not a probe"),
        ("tcp://10.0.0.20:7/path", "not a probe"),
        ("ping://10.0.0.20:7", "ping has no port"),
        ("tcp://[fd00::20", "not a probe"),
        ("udp://10.0.0.20:7?rate=0", "from 1 to 1000"),
        ("udp://10.0.0.20:7?rate=fast", "from 1 to 1000"),
        ("udp://10.0.0.20:7?speed=9", "rate alone"),
        ("udp://10.0.0.20:7?rate", "not a probe"),
    ],
)
def test_what_is_no_probe_is_refused_with_a_remedy(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        parse(text)


def test_without_an_address_it_is_the_guests_first() -> None:
    assert parse("ping").at(["10.0.0.20", "fd00::20"]).host == "10.0.0.20"
    assert parse("ping://10.0.0.9").at(["10.0.0.20"]).host == "10.0.0.9"
    with pytest.raises(ProbeError, match="no declared address"):
        parse("ping").at([])


Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def tcp() -> Iterator[Serve]:
    """Starts a TCP service that deals with each connection as a function does; returns its port."""
    listeners = []

    def serve(deal: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                threading.Thread(target=quietly, args=(connection,), daemon=True).start()

        def quietly(connection: socket.socket) -> None:
            with connection:
                try:
                    deal(connection)
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield serve
    for listener in listeners:
        listener.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def test_a_session_that_lasts(tcp: Serve) -> None:
    probe = SessionProbe("127.0.0.1", tcp(echo))
    probe.start()
    time.sleep(0.3)
    session = probe.stop()
    assert session.alive
    assert 15 < session.sent == session.received < 60
    assert session.silence < 0.2


def test_a_pause_is_a_silence_in_which_nothing_is_lost(tcp: Serve) -> None:
    pausing = threading.Event()

    def deal(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            if pausing.is_set():
                pausing.clear()
                time.sleep(0.25)
            connection.sendall(data)

    probe = Probe(parse(f"tcp://127.0.0.1:{tcp(deal)}"))
    probe.start()
    pausing.set()
    time.sleep(0.5)
    seen = probe.stop()
    assert 245 < seen["silence_ms"] < 400
    assert (seen["lost"], seen["duplicated"], seen["broken"]) == (0, 0, None)
    assert seen["measured"] == "lines echoed in one TCP session"
    assert set(seen["tcp"]) == {"retransmitted", "received_twice", "gaps_back"}


def test_a_session_that_is_cut_says_so(tcp: Serve) -> None:
    ending = threading.Event()

    def deal(connection: socket.socket) -> None:
        while not ending.is_set():
            connection.sendall(connection.recv(4096))

    probe = SessionProbe("127.0.0.1", tcp(deal))
    probe.start()
    ending.set()
    time.sleep(0.2)
    session = probe.stop()
    assert not session.alive
    assert session.silence > 0.1


def test_an_echo_of_something_else_is_a_broken_session(tcp: Serve) -> None:
    lying = threading.Event()

    def deal(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            connection.sendall(b"99999\n" if lying.is_set() else data)

    probe = SessionProbe("127.0.0.1", tcp(deal))
    probe.start()
    lying.set()
    time.sleep(0.1)
    assert "echoed b'99999' instead of" in str(probe.stop().broken)


def test_a_service_that_does_not_echo_is_measured_by_new_connections(tcp: Serve) -> None:
    def deal(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
        connection.recv(4096)

    probe = Probe(parse(f"tcp://127.0.0.1:{tcp(deal)}"))
    probe.start()
    time.sleep(0.3)
    seen = probe.stop()
    assert seen["measured"] == "new TCP connections"
    assert (seen["rate"], seen["lost"]) == (20, 0)
    assert seen["received"] > 2


@pytest.fixture
def datagrams() -> Iterator[Callable[[Callable[[bytes], list[bytes]]], int]]:
    """Starts a UDP service that answers a datagram with a list of them; returns its port."""
    sockets = []

    def serve(answer: Callable[[bytes], list[bytes]]) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sockets.append(sock)

        def loop() -> None:
            while True:
                data, address = sock.recvfrom(4096)
                if not data:
                    return
                for reply in answer(data):
                    sock.sendto(reply, address)

        threading.Thread(target=loop, daemon=True).start()
        return int(sock.getsockname()[1])

    yield serve
    for sock in sockets:
        sock.sendto(b"", sock.getsockname())


def test_lost_doubled_and_foreign_datagrams(datagrams: Callable[[Callable[[bytes], list[bytes]]], int]) -> None:
    left = {"lose": 0, "double": 0}

    def answer(data: bytes) -> list[bytes]:
        for fate, replies in (("lose", []), ("double", [data, data])):
            if left[fate]:
                left[fate] -= 1
                return replies
        return [data, b"another's datagram, which is not counted"]

    probe = Probe(parse(f"udp://127.0.0.1:{datagrams(answer)}?rate=200"))
    probe.start()
    left.update(lose=3, double=2)
    # However busy the machine is: the prober may not get to it for a while.
    wait_for(lambda: sum(left.values()), lambda still: still == 0, what="the datagrams", timeout=30, interval=0.05)
    time.sleep(0.2)
    seen = probe.stop()
    assert (seen["lost"], seen["duplicated"], seen["reordered"]) == (3, 2, 0)
    assert seen["sent"] == seen["received"] + 3 > 5
    assert seen["broken"] is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_pings(host: str) -> None:
    probe = Probe(Target("ping", host, 0))
    try:
        probe.start()
    except ProbeError as error:
        if "not permitted" in str(error) or "Cannot assign" in str(error) or "unreachable" in str(error):
            pytest.skip(str(error))
        raise
    time.sleep(0.2)
    seen = probe.stop()
    assert (seen["lost"], seen["duplicated"], seen["measured"]) == (0, 0, "pings answered")
    assert seen["received"] > 5


def test_nothing_there_is_no_start() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ProbeError, match=rf"no answer at tcp://127.0.0.1:{port}: Connection refused"):
        Probe(Target("tcp", "127.0.0.1", port)).start()


def test_a_tally_counts_from_where_it_begins() -> None:
    tally = prober.Tally(0.0)
    for number in range(6):
        tally.asked()
        if number == 3:
            tally.begin(1.0)
    for number, when in ((2, 1.1), (5, 1.3), (4, 1.4), (5, 1.5)):
        tally.answered(number, when)
    assert (tally.sent, tally.received, tally.lost, tally.duplicated, tally.reordered) == (2, 2, 0, 1, 1)
    assert tally.silence == pytest.approx(0.3)


def test_the_checksum_of_an_echo_request() -> None:
    packet = bytes.fromhex("0800 0000 0001 0001 6162 6364")
    assert prober.checksum(packet) == 0x3337
    assert prober.checksum(packet[:2] + (0x3337).to_bytes(2, "big") + packet[4:]) == 0


def test_a_node_probes_for_another_until_told_to_stop(tcp: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(node: str, request: Mapping[str, Any], _timeout: float) -> Peer:
        if node != "n3":
            raise PeerError(f"{node} cannot be asked")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            here = Peer(socket.create_connection(listener.getsockname()))  # type: ignore[arg-type]
            there = Peer(listener.accept()[0])  # type: ignore[arg-type]

        def answer() -> None:
            with there:
                try:
                    service(json.loads(json.dumps(request)), there)
                except PeerError as error:
                    there.send({"error": str(error)})

        threading.Thread(target=answer, daemon=True).start()
        return here

    monkeypatch.setattr(Peer, "connect", connect)
    port = tcp(echo)
    remote = RemoteProbe("n3", Target("tcp", "127.0.0.1", port))
    remote.start()
    time.sleep(0.1)
    seen = remote.stop()
    assert (seen["lost"], seen["target"]) == (0, f"tcp://127.0.0.1:{port}")
    assert told(seen, "n3")["probe"]["from"] == "n3"
    with pytest.raises(ProbeError, match="from n9: n9 cannot be asked"):
        RemoteProbe("n9", Target("tcp", "127.0.0.1", port)).start()
    with pytest.raises(ProbeError, match=r"from n3: .*no answer at tcp://127.0.0.1:1: Connection refused"):
        RemoteProbe("n3", Target("tcp", "127.0.0.1", 1)).start()
