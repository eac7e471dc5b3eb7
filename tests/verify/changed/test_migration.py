# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM changes nodes: no packet is lost, and disks on local storage come along while they are written to."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..lab import Lab, address, wait_until_answering
from ..plays import succeed

Declared = dict[str, dict[str, Any]]

LOAD = 9
SIZE_MIB = 64


def tell(guest: dict[str, Any], line: str) -> str:
    """Have the tiny VM do something, see roles/images/files/tiny/load."""
    with socket.create_connection((address(guest), LOAD), 60) as session:
        session.sendall(f"{line}\n".encode())
        return session.makefile().readline().strip()


@pytest.mark.parametrize("probe", ["udp://:7", "ping"])
def test_no_packet_is_lost_and_next_to_none_comes_twice(lab: Lab, declared: Declared, probe: str) -> None:
    wait_until_answering(declared["game"], timeout=60)
    slo = {"packets_lost": 0}
    moved = succeed("migrate", guest="game", probe=probe, slo=slo)
    result = moved.result(f"Move the guest to {lab.where('game')}")
    assert result["probe"]["sent"] > 100
    assert result["packets_duplicated"] <= 5
    assert "pre-copy" in result["path"]
    assert result["journal"]["forwarded"] > 0
    assert flooded(lab, "game")


def flooded(lab: Lab, guest: str) -> bool:
    """Whether the guest's interface hears everything again."""
    flags = lab.ssh(lab.where(guest))(["sh", "-c", f"cat /sys/class/net/{guest}-*/brport/*cast_flood"])
    return flags.stdout.split() == ["1"] * 3


@pytest.fixture
def stored(lab: Lab, declared: Declared) -> Iterator[dict[str, Any]]:
    """A VM with a disk on its node's own storage."""
    network, _, _last = address(declared["game"]).rpartition(".")
    guest = {
        "kind": "vm",
        "image": "tiny",
        "memory": "192MiB",
        "disks": [{"size": f"{SIZE_MIB}MiB", "pool": "local"}],
        "nics": [{"bridge": "br0", "address": f"{network}.159/24"}],
    }
    succeed("guests", guests={**declared, "stored": guest})
    wait_until_answering(guest, timeout=60)
    yield guest
    succeed("guests", guests={**declared, "stored": {"state": "absent", "remove_disks": True}})
    assert all(disks(lab, node) == set() for node in lab.nodes)


def disks(lab: Lab, node: str) -> set[str]:
    found = lab.ssh(node)(["find", "/srv/drover/local/vms", "-path", "*/stored/*"], ok=None).stdout
    return {Path(line).name for line in found.split()}


def test_a_vm_takes_its_disk_along_while_it_writes_to_it(lab: Lab, stored: dict[str, Any]) -> None:
    source = lab.where("stored")
    assert disks(lab, source) == {"vda.qcow2", "seed.img"}
    assert "writing" in tell(stored, f"write {SIZE_MIB // 4}")
    moved = succeed("migrate", guest="stored", probe="ping", slo={"packets_lost": 0})
    target = lab.where("stored")
    assert target != source
    assert moved.result(f"Move the guest to {target}")["path"][0] == "disks"
    assert [disks(lab, node) for node in (source, target)] == [set(), {"vda.qcow2", "seed.img"}]

    # What the VM reads is what it wrote; and it is what lies on the disk when the VM has let go of it.
    seen = tell(stored, "read").split()[0]
    assert seen != hashlib.sha256(bytes(SIZE_MIB << 20)).hexdigest()
    succeed("migrate", guest="stored", to=source)
    assert tell(stored, "read").split()[0] == seen
