# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The peer service among strangers: who is turned away, and that honest ones are heard through a flood."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.peer import channel, server
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError, ask
from ansible_collections.cspp.drover.plugins.module_utils.peer.members import Members
from ansible_collections.cspp.drover.plugins.module_utils.peer.server import serve
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki as trust
from ansible_collections.cspp.drover.tests.flood import Flood
from ansible_collections.cspp.drover.tests.unit.peer.samples import conf

SERVER, OTHER, STRANGER = "127.0.0.1", "127.0.0.3", "127.0.0.9"
MEMBERS = {"localhost": [SERVER], "node3": [OTHER]}


def who(_request: Mapping[str, Any], peer: Peer) -> None:
    peer.send({"asks": peer.node})


def stay(_request: Mapping[str, Any], peer: Peer) -> None:
    peer.send({})
    peer.some(1)


class Node:
    """A node whose service runs, and where others ask from."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.folder = trust.new_authority(), folder
        for name in ("localhost", "node3", "gone"):
            self.identity(name)
        self.conf = folder / "corosync.conf"
        self.conf.write_text(conf(MEMBERS))
        with socket.socket() as free:
            free.bind((SERVER, 0))
            self.port = free.getsockname()[1]
        members = Members(self.conf, folder / "hosts")
        how = ({"who": who, "stay": stay}, SERVER, self.port, folder / "localhost", members)
        self.process = multiprocessing.get_context("fork").Process(target=serve, args=how)
        self.process.start()
        wait_for(lambda: self.knock(SERVER), bool, what="the server", timeout=5, interval=0.02)
        wait_for(self.children, lambda count: count == 0, what="the end of that", timeout=10)

    def identity(self, name: str) -> None:
        place = self.folder / name
        place.mkdir()
        key, certificate = trust.issue(self.authority, name, [name], [SERVER], 10)
        for file, text in (("ca.crt", self.authority[1]), ("node.key", key), ("node.crt", certificate)):
            (place / file).write_text(text)

    def dial(self, source: str) -> socket.socket:
        return socket.create_connection((SERVER, self.port), 5, (source, 0))

    def knock(self, source: str) -> bool:
        """Whether the service takes a connection of this address."""
        try:
            with self.dial(source) as plain:
                plain.settimeout(0.5)
                return plain.recv(1) != b""
        except TimeoutError:
            return True
        except OSError:
            return False

    def children(self) -> int:
        return len(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())


@pytest.fixture
def node(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node that gives so many seconds for a proof."""
    monkeypatch.setattr(server, "GREETING", getattr(request, "param", 3.0))
    monkeypatch.setattr(server, "_LOOK", 0.2)
    node = Node(tmp_path)
    monkeypatch.setattr(channel, "PORT", node.port)
    monkeypatch.setattr(channel, "PKI", tmp_path / "localhost")
    try:
        yield node
    finally:
        node.process.kill()
        node.process.join()


def test_services_are_told_who_asks(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("localhost", {"do": "who"}) == {"asks": "localhost"}
    monkeypatch.setattr(channel, "PKI", node.folder / "node3")
    assert ask("localhost", {"do": "who"}) == {"asks": "node3"}


def test_who_is_no_member_now_is_refused(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PKI", node.folder / "gone")
    with pytest.raises(PeerError, match=r"gone has a certificate, but is no member of the cluster .*: run site\.yml"):
        ask("localhost", {"do": "who"})
    node.conf.write_text(conf(MEMBERS | {"gone": ["127.0.0.4"]}))
    assert ask("localhost", {"do": "who"}) == {"asks": "gone"}
    node.conf.write_text(conf(MEMBERS))
    with pytest.raises(PeerError, match="no member"):
        ask("localhost", {"do": "who"})


def test_no_process_is_spent_on_a_stranger(node: Node) -> None:
    assert not node.knock(STRANGER)
    assert node.children() == 0
    with node.dial(SERVER):
        wait_for(node.children, lambda count: count == 1, what="a process for a member", timeout=5)


def test_a_flood_of_strangers_holds_nobody_up(node: Node) -> None:
    with Flood([(SERVER, node.port)], rate=300, hold=5.0, source=STRANGER) as flood:
        for _turn in range(20):
            assert ask("localhost", {"do": "who"}, 5.0) == {"asks": "localhost"}
            assert node.children() < 4
        wait_for(lambda: flood.opened, lambda opened: opened > 300, what="a flood worth the name", timeout=30)
        assert ask("localhost", {"do": "who"}, 5.0) == {"asks": "localhost"}


@pytest.mark.parametrize("node", [30.0], indirect=True)
def test_one_members_address_that_says_nothing_holds_up_no_other(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_own_end", lambda _node: (OTHER, 0))
    with ExitStack() as held:
        silent = [held.enter_context(node.dial(SERVER)) for _ in range(server._EACH + server._WAITING + 1)]
        wait_for(node.children, lambda count: count >= server._EACH, what="their processes", timeout=10)
        assert ask("localhost", {"do": "who"}, 2.0) == {"asks": "localhost"}
        assert node.children() <= server._EACH + 1
        assert not node.knock(SERVER), "more than may wait"
        # Its turn comes when those before it are gone.
        for connection in silent:
            connection.close()
        monkeypatch.setattr(channel, "_own_end", lambda _node: (SERVER, 0))
        wait_for(lambda: node.knock(SERVER), bool, what="a turn for this address", timeout=20)
        assert ask("localhost", {"do": "who"}, 5.0) == {"asks": "localhost"}


def test_requests_of_members_do_not_count_against_them(node: Node) -> None:
    with ExitStack() as held:
        for _ in range(server._EACH * 2):
            peer = held.enter_context(Peer.connect("localhost", {"do": "stay"}))
            assert peer.receive() == {}
        assert node.children() >= server._EACH * 2
    wait_for(node.children, lambda count: count == 0, what="the end of them all", timeout=10)


def test_one_that_is_slow_on_purpose_has_its_time(node: Node) -> None:
    with node.dial(SERVER) as plain:
        plain.sendall(bytes((0x16, 3, 1, 2, 0)))
        began = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - began < 30:
                plain.sendall(b"x")
                plain.settimeout(0.5)
                with suppress(TimeoutError):
                    if not plain.recv(1):
                        break
        assert time.monotonic() - began < 3 + 3
    assert os.path.exists(f"/proc/{node.process.pid}")
