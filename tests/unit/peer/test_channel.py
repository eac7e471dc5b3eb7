# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two ends of a connection on this machine, with certificates as nodes have them."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_connection import HostError
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_host import LxcError
from ansible_collections.cspp.drover.plugins.module_utils.peer import channel
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError, ask
from ansible_collections.cspp.drover.plugins.module_utils.peer.members import Members
from ansible_collections.cspp.drover.plugins.module_utils.peer.server import serve
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki as trust
from ansible_collections.cspp.drover.tests.unit.peer.samples import conf


def hello(request: Mapping[str, Any], connection: Peer) -> None:
    connection.send({"hello": request["name"]})
    if request.get("raw"):
        connection.stream.sendall(b"raw" + connection.some(10))


def echo(request: Mapping[str, Any], connection: Peer) -> None:
    """All of it in one go, so that lines and bytes come in the same blocks."""
    connection.stream.sendall(b'{"size": 5}\nbytes{"then": "block"}\n\0\0\0\4data')
    assert connection.receive() == {"over": "and out"}
    connection.send({"heard": request["much"]})


def refuse(_request: Mapping[str, Any], _connection: Peer) -> None:
    raise PeerError("not today")


def stumble(request: Mapping[str, Any], _connection: Peer) -> None:
    raise {
        "guest": KeyError("guest"),
        "program": CommandError("rsync is not installed here"),
        "lxc": LxcError("lxc-info does not answer"),
        "libvirt": HostError("libvirt does not answer"),
        "disk": OSError(28, "No space left on device"),
        "deep": RecursionError("maximum recursion depth exceeded"),
        "bug": TypeError("unsupported operand"),
        "advice": HostError("its disk is gone", remedy="Run site.yml."),
    }[request["over"]]


def make_pki(folder: Path, authority: tuple[str, str]) -> Path:
    folder.mkdir()
    key, certificate = trust.issue(authority, "localhost", ["localhost"], ["127.0.0.1"], 10)
    for name, content in (("ca.crt", authority[1]), ("node.key", key), ("node.crt", certificate)):
        (folder / name).write_text(content)
    (folder / "corosync.conf").write_text(conf({"localhost": ["127.0.0.1"]}))
    return folder


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The credentials of two nodes, and those of somebody with an authority of his own."""
    folder = tmp_path_factory.mktemp("pki")
    return make_pki(folder / "node", trust.new_authority()), make_pki(folder / "stranger", trust.new_authority())


@pytest.fixture(autouse=True)
def server(pki: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(channel, "PORT", port)
    monkeypatch.setattr(channel, "PKI", pki[0])
    services = {"hello": hello, "echo": echo, "refuse": refuse, "stumble": stumble}
    members = Members(pki[0] / "corosync.conf", pki[0] / "hosts")
    how = {"target": serve, "args": (services, "127.0.0.1", port, pki[0], members)}
    process = multiprocessing.get_context("fork").Process(**how)  # type: ignore[arg-type]
    process.start()
    try:

        def listening() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for(listening, bool, what="the server", timeout=5, interval=0.02)
        yield
    finally:
        process.kill()
        process.join()


def test_an_answer_and_what_follows_it() -> None:
    assert ask("localhost", {"do": "hello", "name": "n1"}) == {"hello": "n1"}
    with Peer.connect("localhost", {"do": "hello", "name": "n1", "raw": True}) as connection:
        assert connection.receive() == {"hello": "n1"}
        connection.stream.sendall(b"data")
        assert connection.some(10) == b"rawdata"


def test_lines_and_bytes_in_one_piece() -> None:
    much = "x" * 4_000_000
    with Peer.connect("localhost", {"do": "echo", "much": much}) as connection:
        assert connection.receive() == {"size": 5}
        assert connection.exactly(5) == b"bytes"
        assert connection.receive() == {"then": "block"}
        with pytest.raises(PeerError, match="4 bytes"):
            connection.receive_block(3)
        assert connection.exactly(4) == b"data"
        connection.send({"over": "and out"})
        start = time.process_time()
        assert connection.receive() == {"heard": much}
        assert time.process_time() - start < 1, "they are read in small pieces"
        with pytest.raises(PeerError, match="in the middle of it"):
            connection.exactly(1)


def test_what_is_too_long_or_too_deep_is_no_answer() -> None:
    one, other = socket.socketpair()
    with one, other:
        peer_ = Peer(one)  # type: ignore[arg-type]
        other.sendall(b"[" * 100_000 + b"\n")
        with pytest.raises(PeerError, match="does not answer"):
            peer_.receive()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"do": "refuse"}, "localhost: not today"),
        ({"do": "stumble", "over": "guest"}, r"localhost: KeyError\('guest'\)"),
        ({"do": "stumble", "over": "program"}, "localhost: rsync is not installed here"),
        ({"do": "stumble", "over": "lxc"}, "localhost: lxc-info does not answer"),
        ({"do": "stumble", "over": "libvirt"}, "localhost: libvirt does not answer"),
        ({"do": "stumble", "over": "disk"}, "localhost: .*No space left"),
        ({"do": "stumble", "over": "deep"}, "localhost: RecursionError"),
        ({"do": "stumble", "over": "bug"}, "localhost: TypeError.*operand"),
        ({"do": "stumble", "over": "advice"}, r"localhost: its disk is gone\. Run site\.yml\."),
        ({"do": "unheard"}, "this node knows no .unheard.: .* run site.yml"),
        ({}, "knows no None"),
    ],
)
def test_a_refusal_gives_the_reason(request_: dict[str, Any], reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        ask("localhost", request_)


def test_a_stranger_is_not_heard(pki: tuple[Path, Path]) -> None:
    with pytest.raises(PeerError, match="cannot be asked"):
        Peer.connect("localhost", {"do": "hello", "name": "n1"}, pki=pki[1])


def test_one_without_a_certificate_is_not_heard(pki: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("ca.crt", "node.crt", "node.key"):
        (tmp_path / name).write_bytes((pki[0] / name).read_bytes())
    (tmp_path / "node.crt").unlink()
    with pytest.raises(PeerError):
        Peer.connect("localhost", {"do": "hello", "name": "n1"}, pki=tmp_path)


def test_another_name_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda to, timeout, _own: connect(("127.0.0.1", to[1]), timeout))
    with pytest.raises(PeerError, match=r"node2 cannot be asked .*Hostname mismatch"):
        Peer.connect("node2", {"do": "hello", "name": "n1"})


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(channel, "PORT", free.getsockname()[1])
    with pytest.raises(PeerError, match=r"localhost cannot be asked \(port"):
        ask("localhost", {"do": "hello"})
