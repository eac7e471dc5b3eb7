# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Live migration of a VM: no packet is lost, and disks on local storage come along while they are written to."""

from __future__ import annotations

import hashlib
import json
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .. import arp
from ..lab import Lab, address, wait_until_answering
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]

LOAD = 9
SIZE_MIB = 64
#: A network of the lab's own over which nodes and guest speak IPv6.
SIX = "fd4d:6f76:6572::"

#: What a cautious administrator's firewall looks like: nothing passes through but what belongs to a connection that it
#: has seen begin, and only connections to the guest's echo may begin.
FIREWALL = """
table inet tested {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        tcp flags & (fin|syn|rst|ack) == syn tcp dport 7 ct state new accept
        ct state invalid drop
    }
}
"""


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
    result = moved.result("Move the guest")
    assert result["probe"]["sent"] > 100
    assert result["packets_duplicated"] <= 5
    assert "pre-copy" in result["path"]
    assert result["journal"]["forwarded"] > 0
    assert flooded(lab, "game")


@contextmanager
def asked_for(lab: Lab, node: str, where: str) -> Iterator[dict[str, int]]:
    """Broadcast requests for an address from a node meanwhile; afterwards the result is in the dictionary."""
    program = Path(arp.__file__).read_text()
    argv = [*lab.ssh_argv(node), shlex.join(["python3", "-I", "-c", program, "br0", where])]
    found: dict[str, int] = {}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "begun\n"
        yield found
        said, _ = asking.communicate(timeout=30)
        found.update(json.loads(said))


def test_broadcasts_reach_it_on_both_sides_of_the_switch_over(lab: Lab, declared: Declared) -> None:
    source = lab.where("game")
    target, third = (node for node in lab.nodes if node != source)
    with asked_for(lab, third, address(declared["game"])) as heard:
        succeed("migrate", guest="game", to=target)
    assert heard["sent"] > 100
    assert heard["lost"] == 0
    # While the old interface is still there, and the new one hears already.
    assert heard["twice"] <= 20


@pytest.fixture(scope="module")
def six(lab: Lab, declared: Declared) -> Iterator[dict[str, Any]]:
    """A VM that speaks IPv6 as well, on nodes that reach it so, each behind a firewall that tracks connections."""
    network, _, _last = address(declared["game"]).rpartition(".")
    guest = {
        "kind": "vm",
        "image": "tiny",
        "memory": "256MiB",
        "nics": [{"bridge": "br0", "addresses": [f"{network}.160/24", f"{SIX}160/64"]}],
    }
    for number, node in enumerate(lab.nodes, start=1):
        lab.ssh(node)(["ip", "-6", "address", "add", f"{SIX}{number}/64", "dev", "br0", "nodad"])
        lab.ssh(node)(["nft", "-f", "-"], stdin=FIREWALL)
    succeed("guests", guests={**declared, "six": guest})
    wait_until_answering(guest, timeout=60)
    yield guest
    for number, node in enumerate(lab.nodes, start=1):
        lab.ssh(node)(["nft", "delete", "table", "inet", "tested"])
        lab.ssh(node)(["ip", "-6", "address", "delete", f"{SIX}{number}/64", "dev", "br0"])
    succeed("guests", guests={**declared, "six": {"state": "absent"}})


@pytest.mark.parametrize("probe", [f"ping://[{SIX}160]", f"tcp://[{SIX}160]:7", "tcp://:7"])
def test_sessions_live_over_ipv6_too_and_past_firewalls_that_track_connections(
    lab: Lab, six: dict[str, Any], probe: str
) -> None:
    source = lab.where("six")
    target, third = (node for node in lab.nodes if node != source)
    slo = {"packets_lost": 0}
    moved = succeed("migrate", guest="six", to=target, probe=probe, probe_from=third, slo=slo)
    seen = moved.result("Move the guest")["probe"]
    assert seen["sent"] > 100
    assert not seen["broken"]


@pytest.mark.whole
def test_passes_that_take_long_are_no_stall_while_they_get_shorter(
    lab: Lab, declared: Declared, six: dict[str, Any]
) -> None:
    # With that some 150 MiB are in use: the first pass takes 50 s, the second 15, and QEMU looks at what has changed
    # every 5. What even an idle VM changes takes so thin a wire some tenths of a second.
    slow = {**six, "migration": {"bandwidth": "3MiB", "max_downtime": "300ms"}}
    succeed("guests", guests={**declared, "six": slow})
    tell(six, "fill 60")
    tell(six, "dirty 1")
    source = lab.where("six")
    moved = succeed("migrate", guest="six")
    target = lab.where("six")
    assert target != source
    result = moved.result("Move the guest")
    assert result["journal"]["seconds"] > 30
    assert result["rounds"] > 3
    tell(six, "dirty 0")


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
    assert moved.result("Move the guest")["path"][0] == "disks"
    assert [disks(lab, node) for node in (source, target)] == [set(), {"vda.qcow2", "seed.img"}]

    # What the VM reads is what it wrote; and it is what lies on the disk when the VM has let go of it.
    seen = tell(stored, "read").split()[0]
    assert seen != hashlib.sha256(bytes(SIZE_MIB << 20)).hexdigest()
    succeed("migrate", guest="stored", to=source)
    assert tell(stored, "read").split()[0] == seen
