# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests may send and receive, tried in the kernel: frames of a guest's own making, and where they come out."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.announce import frames
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.filter_rules import (
    Facts,
    Port,
    admitted,
    base,
    expelled,
    identifier,
)
from ansible_collections.cspp.drover.tests.frames import arp, ether, icmp6, ip, tcp, udp
from ansible_collections.cspp.drover.tests.unit.hypervisor.filter_bench import Bench

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes bridges")

WEB, DHCP, ROUTER, CLOSED, LAN = (f"52:54:00:3f:a2:c{number}" for number in range(5))
NODE, MAC_MADE = "02:00:00:00:00:11", "fe80::5054:ff:fe3f:a2c0"
FACTS = Facts(
    enabled=True,
    nodes=("10.0.0.11", "10.0.0.12", "2001:db8::12"),
    walled=("10.0.0.111", "10.0.0.5"),
    gateways=("10.0.0.1",),
    own=("up0",),
    bridges=("br0",),
    open=({"protocol": "udp", "port": "53"}, {"protocol": "tcp", "port": "2049", "to": "10.0.0.5"}),
)
FIREWALL: dict[str, list[dict[str, Any]]] = {
    "in": [
        {"protocol": "tcp", "ports": ["22", "8000-8010"], "peers": ["10.0.0.0/25"]},
        {"protocol": "udp", "ports": ["53"]},
        {"protocol": "any", "peers": ["10.9.0.0/16"]},
        {"protocol": "tcp", "ports": ["99"], "peers": []},
        {"protocol": "quic", "ports": ["1-65535"]},
    ],
    "out": [{"protocol": "tcp", "ports": ["443"]}, {"protocol": "icmp"}],
}
PORTS = {
    "web": Port("web-3fa2c0", WEB, "br0", ("10.0.0.20", "2001:db8::20")),
    "dhcp": Port("dhcp-3fa2c1", DHCP, "br0"),
    "router": Port("router-3fa2c2", ROUTER, "br0", ("10.0.0.1",), trusted=True),
    "closed": Port("closed-3fa2c3", CLOSED, "br0", ("10.0.0.23",), firewall=FIREWALL),
}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    machines = {name: port.name for name, port in PORTS.items()}
    with Bench({**machines, "stray": "stray-3fa2c9", "lan": "up0"}) as made:
        load(made, base(FACTS, scoped=False) + "".join(map(admitted, PORTS.values())))
        yield made


def load(bench: Bench, text: str) -> None:
    code, _out, complaint = bench.nft("-f", "-", text=text)
    assert code == 0, complaint


def dropped(bench: Bench) -> dict[str, int]:
    _code, out, _err = bench.nft("-j", "list", "counters", "table", "bridge", "drover")
    listed = [one["counter"] for one in json.loads(out)["nftables"] if "counter" in one]
    return {one["name"]: one["packets"] for one in listed}


def reason_of(bench: Bench, machine: str, frame: bytes) -> str | None:
    """Why a machine's frame is dropped; None when others hear it."""
    before = dropped(bench)
    heard = bench.send(machine, frame)
    after = dropped(bench)
    of_it = f"_{identifier(PORTS[machine].name)}" if machine in PORTS else "unknown"
    reasons = [
        name.removesuffix(of_it) or name for name in after if name.endswith(of_it) and after[name] > before[name]
    ]
    assert bool(reasons) != bool(heard), (reasons, heard)
    return reasons[0] if reasons else None


def bpdu(source: str, last: int = 0) -> bytes:
    return ether(source, 0x0026, b"\x42\x42\x03", f"01:80:c2:00:00:{last:02x}")


SENT = [
    # Its own MAC and addresses, and none yet.
    ("web", arp(WEB, "10.0.0.20", "10.0.0.12"), None),
    ("web", arp(WEB, "0.0.0.0", "10.0.0.20"), None),
    ("web", arp(LAN, "10.0.0.20", "10.0.0.12"), "spoofed"),
    ("web", arp(WEB, "10.0.0.20", "10.0.0.12", says=LAN), "spoofed"),
    ("web", arp(WEB, "10.0.0.12", "10.0.0.20", answer=True), "spoofed"),
    ("web", arp(WEB, "0.0.0.0", "10.0.0.21"), "spoofed"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.21", 17, udp(1, 2)), None),
    ("web", ip(WEB, "10.0.0.21", "10.0.0.20", 17, udp(1, 2)), "spoofed"),
    ("web", ip(WEB, "0.0.0.0", "255.255.255.255", 17, udp(68, 67)), None),
    ("web", ip(WEB, "0.0.0.0", "255.255.255.255", 17, udp(68, 69)), "spoofed"),
    ("web", ip(WEB, "0.0.0.0", "10.0.0.21", 6, tcp(1, 2)), "spoofed"),
    ("web", ip(WEB, "2001:db8::20", "2001:db8::1", 17, udp(1, 2)), None),
    ("web", ip(WEB, MAC_MADE, "ff02::fb", 17, udp(5353, 5353)), None),
    ("web", ip(WEB, "2001:db8:1::5054:ff:fe3f:a2c0", "2001:db8::1", 17, udp(1, 2)), None),
    ("web", ip(WEB, "fe80::1", "ff02::fb", 17, udp(1, 2)), "spoofed"),
    ("web", ip(WEB, "2001:db8::21", "2001:db8::1", 17, udp(1, 2)), "spoofed"),
    ("web", ip(WEB, "::", "ff02::1:ff00:20", 58, icmp6(135, "2001:db8::20")), None),
    ("web", ip(WEB, "::", "ff02::1:ff3f:a2c0", 58, icmp6(135, MAC_MADE)), None),
    ("web", ip(WEB, "::", "ff02::1:ff00:21", 58, icmp6(135, "2001:db8::21")), "spoofed"),
    ("web", ip(WEB, "::", "ff02::1", 17, udp(1, 2)), "spoofed"),
    ("web", ip(WEB, "2001:db8::20", "2001:db8::1", 58, icmp6(136, "2001:db8::20")), None),
    ("web", ip(WEB, "2001:db8::20", "ff02::1", 58, icmp6(136, MAC_MADE)), None),
    ("web", ip(WEB, "2001:db8::20", "ff02::1", 58, icmp6(136, "2001:db8::12")), "spoofed"),
    ("web", ip(WEB, "2001:db8::20", "2001:db8::1", 58, icmp6(135, "2001:db8::1")), None),
    # What announces a guest that has moved.
    *(("web", frame, None) for frame in frames(WEB, ["10.0.0.20/24", "2001:db8::20/64"])),
    *(("dhcp", frame, None) for frame in frames(DHCP, [])),
    # What only routers, servers and switches say.
    ("web", ip(WEB, MAC_MADE, "ff02::1", 58, icmp6(134)), "forbidden"),
    ("web", ip(WEB, MAC_MADE, "ff02::1", 58, icmp6(137)), "forbidden"),
    ("web", ip(WEB, MAC_MADE, "ff02::1", 58, icmp6(134), fragment=True), "forbidden"),
    ("web", ip(WEB, "10.0.0.20", "255.255.255.255", 17, udp(67, 68)), "forbidden"),
    ("web", ip(WEB, MAC_MADE, "ff02::1", 17, udp(547, 546)), "forbidden"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.21", 1, struct.pack("!BBHI", 5, 1, 0, 0)), "forbidden"),
    ("web", bpdu(WEB), "forbidden"),
    ("router", bpdu(ROUTER), "forbidden"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.21", 17, udp(1, 2), tag=7), "forbidden"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.21", 17, udp(1, 2), tag=0), "forbidden"),
    ("web", ether(WEB, 0x88A2, b"ATA"), "forbidden"),
    # Nodes, controllers, storage.
    *(("web", ip(WEB, "10.0.0.20", node, 6, tcp(40000, port)), "protected") for node in ("10.0.0.11", "10.0.0.12")
      for port in (22, 80, 16514, 16515, 49152, 49215)),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 6, tcp(40000, 22), to=NODE), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 6, tcp(22, 40000, 0x12)), None),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 6, tcp(22, 40000, 0x03)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 6, tcp(40000, 22)[:8], fragment=0x2000), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 6, tcp(40000, 22)[8:], fragment=1), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 17, udp(1, 5405)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 17, udp(1, 53)), None),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 17, udp(53, 40000)), None),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 132, bytes(20)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.12", 1, struct.pack("!BBHI", 8, 0, 0, 0)), None),
    ("web", ip(WEB, "2001:db8::20", "2001:db8::12", 6, tcp(1, 16514)), "protected"),
    ("web", ip(WEB, "2001:db8::20", "2001:db8::12", 6, tcp(1, 16514), fragment=True), "protected"),
    ("web", ip(WEB, MAC_MADE, "fe80::12", 6, tcp(1, 22)), "protected"),
    ("web", ip(WEB, MAC_MADE, "fe80::12", 6, tcp(1, 80)), None),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.111", 17, udp(1, 623)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "255.255.255.255", 17, udp(1, 623)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.5", 6, tcp(1, 111)), "protected"),
    # A storage server may ask a guest, too, and hears the answer.
    ("web", ip(WEB, "10.0.0.20", "10.0.0.5", 6, tcp(22, 40000, 0x12)), None),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.5", 6, tcp(22, 40000, 0x12), fragment=0x2000), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.5", 17, udp(53, 40000)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.5", 1, struct.pack("!BBHI", 8, 0, 0, 0)), "protected"),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.5", 6, tcp(1, 2049)), None),
    ("web", ip(WEB, "10.0.0.20", "10.0.0.21", 6, tcp(1, 22)), None),
    ("router", ip(ROUTER, "10.0.0.1", "10.0.0.12", 6, tcp(1, 22)), "protected"),
    # Without declared addresses: any but those of the cluster.
    ("dhcp", ip(DHCP, "10.0.0.77", "10.0.0.21", 17, udp(1, 2)), None),
    ("dhcp", arp(DHCP, "10.0.0.77", "10.0.0.21"), None),
    ("dhcp", arp(DHCP, "10.0.0.12", "10.0.0.21"), "spoofed"),
    ("dhcp", arp(DHCP, "10.0.0.1", "10.0.0.21"), "spoofed"),
    ("dhcp", ip(DHCP, "10.0.0.111", "10.0.0.21", 17, udp(1, 2)), "spoofed"),
    ("dhcp", ip(DHCP, "fe80::9", "ff02::1", 58, icmp6(136, "2001:db8::12")), "spoofed"),
    ("dhcp", ip(LAN, "10.0.0.77", "10.0.0.21", 17, udp(1, 2)), "spoofed"),
    # A router.
    ("router", ip(LAN, "198.51.100.7", "10.0.0.21", 17, udp(67, 68)), None),
    ("router", ip(ROUTER, "fe80::1", "ff02::1", 58, icmp6(134)), None),
    ("router", ip(ROUTER, "10.0.0.1", "10.0.0.21", 17, udp(1, 2), tag=7), None),
    # Nobody's.
    ("stray", ip(LAN, "10.0.0.77", "10.0.0.21", 17, udp(1, 2)), "unknown"),
    # A firewall's other side: what it sends.
    ("closed", ip(CLOSED, "10.0.0.23", "10.0.0.21", 6, tcp(40000, 443)), None),
    ("closed", ip(CLOSED, "10.0.0.23", "10.0.0.21", 6, tcp(40000, 80)), "firewall_out"),
    ("closed", ip(CLOSED, "10.0.0.23", "10.0.0.21", 6, tcp(80, 40000, 0x10)), None),
    ("closed", ip(CLOSED, "10.0.0.23", "10.0.0.21", 17, udp(53, 40000)), None),
    ("closed", ip(CLOSED, "10.0.0.23", "10.0.0.21", 17, udp(54, 40000)), "firewall_out"),
    ("closed", ip(CLOSED, "10.0.0.23", "10.0.0.21", 1, struct.pack("!BBHI", 8, 0, 0, 0)), None),
    ("closed", arp(CLOSED, "10.0.0.23", "10.0.0.21"), None),
]  # fmt: skip


@pytest.mark.parametrize(("machine", "frame", "reason"), SENT, ids=map(str, range(len(SENT))))
def test_what_a_guest_sends(bench: Bench, machine: str, frame: bytes, reason: str | None) -> None:
    assert reason_of(bench, machine, frame) == reason


def test_a_guest_s_own_bridge_traffic_reaches_its_node_and_a_bpdu_does_not(bench: Bench) -> None:
    assert "node" in bench.send("web", arp(WEB, "10.0.0.20", "10.0.0.11"))
    assert bench.send("web", bpdu(WEB, 0x0E)) == []
    # The node's own ports are none of the filter's business.
    assert "web" in bench.send("lan", bpdu(LAN))
    assert "web" in bench.send("lan", ip(WEB, "10.0.0.12", "10.0.0.20", 6, tcp(1, 22)))


RECEIVED = [
    (ip(LAN, "10.0.0.50", "10.0.0.23", 6, tcp(40000, 22)), True),
    (ip(LAN, "10.0.0.50", "10.0.0.23", 6, tcp(40000, 8005)), True),
    (ip(LAN, "10.0.0.50", "10.0.0.23", 6, tcp(40000, 8011)), False),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 6, tcp(40000, 22)), False),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 6, tcp(40000, 99)), False),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 6, tcp(443, 40000, 0x12)), True),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 6, tcp(40000, 443, 0x03)), False),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 6, tcp(40000, 443)[:8], fragment=0x2000), False),
    (ip(LAN, "10.9.0.1", "10.0.0.23", 6, tcp(40000, 443)), True),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 17, udp(40000, 53)), True),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 17, udp(40000, 54)), False),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 17, udp(53, 40000)), True),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 17, udp(67, 68)), True),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 1, struct.pack("!BBHI", 8, 0, 0, 0)), False),
    (ip(LAN, "10.0.0.200", "10.0.0.23", 1, struct.pack("!BBHI", 3, 4, 0, 0)), True),
    (ip(LAN, "2001:db8::9", "2001:db8::23", 58, icmp6(135, "2001:db8::23")), True),
    (ip(LAN, "2001:db8::9", "2001:db8::23", 6, tcp(40000, 22)), False),
    (arp(LAN, "10.0.0.200", "10.0.0.23"), True),
]


@pytest.mark.parametrize(("frame", "passes"), RECEIVED, ids=map(str, range(len(RECEIVED))))
def test_what_comes_to_a_guest(bench: Bench, frame: bytes, passes: bool) -> None:
    before = dropped(bench)["firewall_in_closed_3fa2c3"]
    assert ("closed" in bench.send("lan", frame)) is passes
    assert (dropped(bench)["firewall_in_closed_3fa2c3"] > before) is not passes


def test_a_port_that_nobody_told_of_hears_nothing(bench: Bench) -> None:
    assert "stray" not in bench.send("lan", arp(LAN, "10.0.0.200", "10.0.0.23"))


def test_a_guest_that_is_forgotten_is_shut_out_and_leaves_nothing(bench: Bench) -> None:
    frame, stray = arp(LAN, "10.0.0.9", "10.0.0.8"), Port("stray-3fa2c9", LAN, "br0")
    _code, clean, _err = bench.nft("-s", "list", "table", "bridge", "drover")
    for _time in range(2):
        load(bench, admitted(stray))
        assert reason_of(bench, "stray", frame) is None
    load(bench, admitted(stray._replace(addresses=("10.0.0.8",))))
    assert bench.send("stray", frame) == []
    for _time in range(2):
        load(bench, expelled(stray.name))
        assert bench.nft("-s", "list", "table", "bridge", "drover")[1] == clean
    assert bench.send("stray", frame) == []
