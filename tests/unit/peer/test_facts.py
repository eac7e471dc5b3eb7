# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node tells of itself, read from files as the kernel writes them."""

from __future__ import annotations

import grp
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.peer import channel, facts
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B07E90A:C000 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0B07E90A:C001 0C07E90A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1
"""


def test_ports_that_somebody_listens_at(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(TCP)
    assert facts.taken(facts.MIGRATION_PORTS, tmp_path) == {0xC000}


def test_bridges(tmp_path: Path) -> None:
    for name, files in {
        "br0": {"mtu": "9000\n", "carrier": "1\n", "bridge/vlan_filtering": "1\n"},
        "br1": {"mtu": "1500\n", "bridge/id": "x"},
        "eno1": {"mtu": "1500\n", "carrier": "1\n"},
    }.items():
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
    assert facts.bridges(tmp_path) == {
        "br0": {"mtu": 9000, "vlan_aware": True, "up": True},
        "br1": {"mtu": 1500, "vlan_aware": False, "up": False},
    }


def test_a_path_in_a_pool(tmp_path: Path) -> None:
    (tmp_path / ".drover-pool").write_text("one\n")
    rootfs = tmp_path / "containers" / "web" / "rootfs"
    (rootfs / "etc").mkdir(parents=True)
    (rootfs / "etc" / "big").write_bytes(b"x" * 100_000)
    seen = facts.look(str(rootfs), count=True)
    assert (seen["exists"], seen["pool"]) == (True, "one")
    assert 100_000 <= seen["used"] < 200_000
    assert seen["free"] > 0
    gone = facts.look(str(tmp_path / "containers" / "none" / "rootfs"), count=True)
    assert (gone["exists"], gone["used"], gone["pool"]) == (False, None, "one")


def test_what_takes_long_to_count_stays_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "_COUNT_PATIENCE", -1.0)
    (tmp_path / "file").touch()
    assert facts.look(str(tmp_path), count=True)["used"] is None


def test_what_has_several_names_counts_once_and_what_vanishes_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (tmp_path / str(number)).mkdir()
        if number:
            os.link(tmp_path / "0/big", tmp_path / f"{number}/big")
        else:
            (tmp_path / "0/big").write_bytes(b"x" * 1_000_000)
    for number in range(10):
        (tmp_path / f"folder{number}").mkdir()
        (tmp_path / f"folder{number}/file").write_bytes(b"x" * 100_000)
    scan = os.scandir

    class Vanishing:
        """An entry that is gone by the time that it is looked at."""

        def stat(self, *, follow_symlinks: bool) -> None:
            raise FileNotFoundError

    @contextmanager
    def scandir(path: str) -> Iterator[Iterator[Any]]:
        with scan(path) as entries:
            yield chain([Vanishing()], entries)

    monkeypatch.setattr(os, "scandir", scandir)
    used = facts.look(str(tmp_path), count=True)["used"]
    assert 2_000_000 <= used < 2_500_000


class Asker:
    """The other end of a request, on this machine; ``client`` is what it greets QEMU's port with."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context, self.welcomed = context, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.client = socket.create_connection(self.listener.getsockname())
        self.stream, _address = self.listener.accept()
        self.told: list[dict[str, Any]] = []
        self.came = False

    def send(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        self.coming = threading.Thread(target=self.come, args=(message["port"],))
        self.coming.start()

    def come(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 2) as plain:
            self.came = True
            if self.context is not None:
                with suppress(OSError), self.context.wrap_socket(plain, server_hostname="node1") as stream:
                    self.welcomed = stream.recv(1)


def test_a_door_is_a_migration_port_that_somebody_comes_in_at() -> None:
    asker = Asker()
    facts.door({}, asker)  # type: ignore[arg-type]
    asker.coming.join()
    assert asker.came
    assert asker.told[0]["tls"] is False, "nobody has QEMU's certificates here"
    assert asker.told[0]["port"] in facts.MIGRATION_PORTS
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", asker.told[0]["port"]), 2)


def qemu(folder: Path, authority: tuple[str, str], believes: str) -> Path:
    folder.mkdir()
    key, certificate = pki.issue(authority, "node1", ["node1"], ["127.0.0.1"], 400)
    (folder / "ca-cert.pem").write_text(believes)
    for end in ("server", "client"):
        (folder / f"{end}-cert.pem").write_text(certificate)
        (folder / f"{end}-key.pem").write_text(key)
    return folder


@pytest.mark.parametrize(("of", "welcomed"), [(0, b"\x01"), (1, b"")])
def test_at_the_door_stands_qemus_own_certificate(tmp_path: Path, of: int, welcomed: bytes) -> None:
    authorities = [pki.new_authority(), pki.new_authority()]
    here = qemu(tmp_path / "here", authorities[0], authorities[0][1])
    there = qemu(tmp_path / "there", authorities[of], authorities[0][1])
    asker = Asker(facts._context(ssl.Purpose.SERVER_AUTH, *facts._qemu(there, "client")))
    facts.door({}, asker, here)  # type: ignore[arg-type]
    asker.coming.join()
    assert asker.told[0]["tls"] is True
    assert asker.welcomed == welcomed


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(("of", "refused"), [(0, False), (1, True)])
def test_the_way_to_a_node_tells_whose_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, of: int, refused: bool
) -> None:
    authorities = [pki.new_authority(), pki.new_authority()]
    here = qemu(tmp_path / "here", authorities[of], authorities[of][1])
    there = qemu(tmp_path / "there", authorities[0], authorities[0][1] if tls else "rubbish")
    asker = Asker()

    class Asked:
        """What the peer service of the other node does, without the peer service."""

        stream = asker.stream

        def __init__(self) -> None:
            self.told: Queue[dict[str, Any]] = Queue()
            threading.Thread(target=facts.door, args=({}, self, there), daemon=True).start()

        def send(self, message: dict[str, Any]) -> None:
            self.told.put(message)

        def receive(self) -> dict[str, Any]:
            return self.told.get(timeout=5)

        def __enter__(self) -> Asked:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda to, patience: connect(("127.0.0.1", to[1]), patience))
    monkeypatch.setattr(channel.Peer, "connect", lambda *_what: Asked())
    monkeypatch.setattr(facts, "speed", lambda _node: None)
    way = facts.reach("node1", tmp_path / "none", here)
    assert way["libvirt"]
    assert way["stream"] == ""
    assert ("QEMU on node1" in way["certificate"]) == (tls and refused)
    assert (way["ends"] is not None) == (tls and not refused)


def test_modules_that_the_kernel_cannot_load(tmp_path: Path) -> None:
    device = tmp_path / "tun"
    device.write_text("")
    devices = {"tun": device, "vhost_net": tmp_path / "vhost-net"}
    kernel = tmp_path / "6.12"
    assert facts.missing_modules(devices, kernel) == ["vhost_net"]
    kernel.mkdir()
    (kernel / "modules.dep").write_text("kernel/drivers/net/veth.ko.xz:\nkernel/drivers/net/dummy.ko.xz:\n")
    assert facts.missing_modules(devices, kernel) == ["vhost_net"]
    (kernel / "modules.dep").write_text("kernel/drivers/net/dummy.ko.xz:\n")
    assert ("veth" in facts.missing_modules(devices, kernel)) == (not Path("/sys/module/veth").exists())
    (kernel / "modules.builtin").write_text("kernel/drivers/net/veth.ko\n")
    assert facts.missing_modules(devices, kernel) == ["vhost_net"]


def test_a_libvirt_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    monkeypatch.setattr(facts, "_LIBVIRT_PATIENCE", 0.05)
    answer = facts.of_libvirt(lambda _host: {"late": hang.wait(5)}, connect=lambda: None)
    assert answer == {"error": "it does not answer"}
    hang.set()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("rsync  version 3.5.0  protocol version 32", [3, 5, 0]),
        ("rsync  version v3.2.7  protocol version 31", [3, 2, 7]),
        ("rsync  version 3.10  protocol version 32", [3, 10, 0]),
        ("openrsync: protocol version 29", []),
    ],
)
def test_the_version_of_rsync_is_told(said: str, version: list[int]) -> None:
    assert facts.rsync_version(["echo", said]) == version
    assert facts.rsync_version(["no-such-program"]) == []


@pytest.mark.parametrize(
    ("mode", "group", "everybody", "may"),
    [(0o660, "mine", 0, True), (0o600, "mine", 0, False), (0o660, "nobody's", 0, False), (0o600, "mine", 1, True)],
)
def test_who_may_fetch_pages_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, group: str, everybody: int, may: bool
) -> None:
    monkeypatch.setattr(facts, "sysctl", lambda _name: everybody)
    device = tmp_path / "userfaultfd"
    device.touch()
    device.chmod(mode)
    name = grp.getgrgid(device.stat().st_gid).gr_name if group == "mine" else group
    assert facts.pages_on_demand(device, name) is may
    assert facts.pages_on_demand(tmp_path / "none", name) is bool(everybody)
