# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests whose root is nobody's friend: what they try, and how far it comes.

:func:`attempts` makes the frames; an :class:`Attacker` puts them onto its wire from inside, while its node counts on
which interfaces they come by.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import derived_mac, host_interface
from ansible_collections.cspp.drover.tests import frames

from ..lab import Lab, Node
from .filtering import unfiltered

__all__ = ["Attacker", "attempts", "container", "prove", "vm"]

_PROGRAM = Path(__file__).with_name("raw.py").read_text()
#: What an honest guest sends; it has to come through, or nothing was shown.
HONEST = ("its own ARP request", "its own datagram to a neighbour")
#: Where nodes listen for one another: SSH, libvirt, the peer service, the first and the last of QEMU's.
_PORTS = (22, 16514, 16515, 49152, 49215)
#: libvirt's, which hears no address but members', filter or not.
_MEMBERS_ONLY = 16514
_FLOOD = 300
#: To whom what would do harm while the filter is off is sent: everybody gets it, and nobody takes it.
_NOBODY = "06:ff:ff:ff:ff:ff"
_ALL_NODES, _ALL_SERVERS = "ff02::1", "ff02::1:2"


@dataclass(frozen=True)
class Attacker:
    """A guest, the node that it is on, and how its root runs a program: a line in, what it says out."""

    name: str
    node: str
    mac: str
    address: str
    argv: Sequence[str]

    @property
    def port(self) -> str:
        """Its interface on its node."""
        return host_interface(self.name, self.mac)

    @property
    def link_local(self) -> str:
        return link_local(self.mac)

    def does(self, what: str, **how: Any) -> Any:
        """Have its root do what raw.py can."""
        told = run(self.argv, stdin=json.dumps({"do": what, **how}) + "\n", timeout=120).stdout
        return json.loads(told.splitlines()[-1])

    @contextmanager
    def at_it(self, these: Mapping[str, Sequence[bytes]]) -> Iterator[None]:
        """Have its root send these over and over meanwhile."""
        with subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(
                json.dumps({"do": "send", "interface": "eth0", "frames": _hex(these), "times": 0}) + "\n"
            )
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            yield
            assert process.poll() is None, "the attacker gave up"
            process.stdin.close()
            sent = json.loads(process.stdout.readline())
        assert sum(sent.values()) > len(these), sent


def container(lab: Lab, name: str, address: str) -> Attacker:
    node = lab.where(name)
    inside = ["lxc-attach", "-P", "/run/drover/lxc", "-n", name, "--", "python3", "-c", _PROGRAM]
    return Attacker(name, node, derived_mac(name, 0), address, [*lab.ssh_argv(node), shlex.join(inside)])


def vm(lab: Lab, name: str, address: str, argv: Sequence[str]) -> Attacker:
    """``argv`` runs a shell's line in the VM as root; the line is its last argument."""
    return Attacker(
        name, lab.where(name), derived_mac(name, 0), address, [*argv, shlex.join(["python3", "-c", _PROGRAM])]
    )


def attempts(lab: Lab, attacker: Attacker, neighbour: str, its_address: str) -> dict[str, list[bytes]]:
    """What a hostile guest sends, by what it is; and :data:`HONEST`. ``neighbour`` is another guest."""
    me, own = attacker.mac, attacker.address
    here, other = _both(lab, attacker)
    bmc = here.bmc_address
    its_mac = derived_mac(neighbour, 0)
    advert = frames.icmp6(136, link_local(its_mac))
    datagram = frames.udp(40000, 7, b"hostile")
    made = {
        HONEST[0]: [frames.arp(me, own, its_address)],
        HONEST[1]: [frames.ip(me, own, its_address, 17, datagram)],
        "ARP: it has a node's address": [frames.arp(me, other.address, here.address, answer=True, to=_NOBODY)],
        "ARP: it has its own node's address": [frames.arp(me, here.address, other.address, answer=True, to=_NOBODY)],
        "ARP: it has a neighbour's address": [frames.arp(me, its_address, here.address, answer=True, to=_NOBODY)],
        "ARP: a neighbour has its address": [frames.arp(me, own, here.address, says=its_mac, answer=True, to=_NOBODY)],
        "ND: it has a neighbour's address": [frames.ip(me, attacker.link_local, _ALL_NODES, 58, advert)],
        "a neighbour's MAC": [frames.ip(its_mac, own, here.address, 17, datagram)],
        "a neighbour's IPv4 address": [frames.ip(me, its_address, here.address, 17, datagram)],
        "a node's IPv4 address": [frames.ip(me, other.address, its_address, 17, datagram)],
        "a neighbour's IPv6 address": [frames.ip(me, link_local(its_mac), _ALL_NODES, 17, datagram)],
        "router advertisement": [frames.ip(me, attacker.link_local, _ALL_NODES, 58, frames.icmp6(134))],
        "redirect": [frames.ip(me, attacker.link_local, _ALL_NODES, 58, frames.icmp6(137))],
        "DHCP server": [frames.ip(me, own, "255.255.255.255", 17, frames.udp(67, 68, b"hostile"))],
        "DHCPv6 server": [frames.ip(me, attacker.link_local, _ALL_SERVERS, 17, frames.udp(547, 546, b"hostile"))],
        "BPDU": [frames.ether(me, 38, b"\x42\x42\x03" + bytes(35), to="01:80:c2:00:00:00")],
        "VLAN tag": [frames.ether(me, 0x0806, b"hostile" + bytes(40), tag=42)],
        "two VLAN tags": [frames.ether(me, 0x8100, b"\0\x2a\x08\x06hostile" + bytes(40), tag=1)],
        "MAC flood": [
            frames.ether(f"06:00:00:00:{n >> 8:02x}:{n & 255:02x}", 0x0806, bytes(28)) for n in range(_FLOOD)
        ],
        "power controller: IPMI": [frames.ip(me, own, bmc, 17, frames.udp(40000, 623, b"hostile"))],
        "power controller: HTTPS": [frames.ip(me, own, bmc, 6, frames.tcp(40000, 443))],
        "behind the wall: NFS": [frames.ip(me, own, bmc, 6, frames.tcp(40000, 2049))],
    }
    for node in (here, other):
        whose = "its own node" if node is here else "another node"
        made[f"{whose}: corosync"] = [frames.ip(me, own, node.address, 17, frames.udp(5405, 5405, b"hostile"))]
        for port in _PORTS:
            made[f"{whose}: TCP {port}"] = [frames.ip(me, own, node.address, 6, frames.tcp(40000, port))]
    return made


def prove(lab: Lab, attacker: Attacker, neighbour: str, its_address: str) -> None:
    """Show that its attempts come through without the packet filter and none with it, and what it may send does."""
    these = attempts(lab, attacker, neighbour, its_address)
    with unfiltered(lab, attacker.node):
        sent, beyond = on_wire(lab, attacker, these)
        assert sent == set(these)
        nothing_anyway = [name for name, links in beyond.items() if not links]
        assert nothing_anyway == []
        answers = services(lab, attacker, 3.0)
        assert "silent" not in {said for target, said in answers.items() if not target.endswith(f" {_MEMBERS_ONLY}")}, (
            answers
        )
    sent, beyond = on_wire(lab, attacker, these)
    assert sent == set(these)
    assert {name: links for name, links in beyond.items() if links and name not in HONEST} == {}
    assert [name for name in HONEST if not beyond[name]] == []
    assert set((answers := services(lab, attacker, 0.6)).values()) == {"silent"}, answers


def on_wire(
    lab: Lab, attacker: Attacker, these: Mapping[str, Sequence[bytes]], times: int = 2
) -> tuple[set[str], dict[str, set[str]]]:
    """What the attacker's node saw of these: which came out of the attacker's port, and by what they are the interfaces
    beyond it that they came by."""
    links = lab.ssh(attacker.node)(["ls", "/sys/class/net/br0/brif"]).stdout.split()
    beyond = ["br0", *(link for link in links if link != attacker.port)]
    asked = {"do": "watch", "interfaces": [attacker.port, *beyond], "frames": _hex(these)}
    argv = [*lab.ssh_argv(attacker.node), shlex.join(["python3", "-c", _PROGRAM])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdin is not None
        assert watcher.stdout is not None
        watcher.stdin.write(json.dumps(asked) + "\n")
        watcher.stdin.flush()
        assert watcher.stdout.readline() == "ready\n"
        sent = attacker.does("send", interface="eth0", frames=_hex(these), times=times)
        watcher.stdin.close()
        seen = json.loads(watcher.stdout.readline())
    assert set(sent) == set(these)
    return set(seen[attacker.port]), {name: {link for link in beyond if name in seen[link]} for name in these}


def services(lab: Lab, attacker: Attacker, patience: float) -> dict[str, str]:
    """What becomes of connections from the guest to where nodes listen for one another."""
    targets = [(node.address, port) for node in _both(lab, attacker) for port in _PORTS]
    found: dict[str, str] = attacker.does("connect", targets=targets, patience=patience)
    return found


def link_local(mac: str) -> str:
    """The address that a host gives itself (RFC 4291, appendix A)."""
    raw = frames.mac(mac)
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]))


def _both(lab: Lab, attacker: Attacker) -> list[Node]:
    """The attacker's node and another."""
    return [lab.nodes[attacker.node], next(node for name, node in lab.nodes.items() if name != attacker.node)]


def _hex(these: Mapping[str, Sequence[bytes]]) -> dict[str, list[str]]:
    return {name: [frame.hex() for frame in its] for name, its in these.items()}
