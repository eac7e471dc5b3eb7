# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests may send and receive: known on the node where they run, and nowhere else, whatever happens to the rules.

The frames themselves are tried in the unit tests, by the kernel (tests/unit/hypervisor/test_filter_rules.py).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import derived_mac, host_interface
from ansible_collections.cspp.drover.tests.frames import arp

from ..lab import Lab, address, init_of, wait_until_answering
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]

FORGET = "nft delete table bridge drover && rm -rf /run/drover/filter && systemctl restart drover-filter"
DROPPED = """
import json, sys
sys.path.insert(0, "/usr/lib/drover/current")
from drover.hypervisor.packet_filter import PacketFilter
print(json.dumps(PacketFilter().dropped()))
"""
SEND = """
import socket, sys
outlet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
outlet.bind(("eth0", 0))
for frame in sys.argv[1:]:
    outlet.send(bytes.fromhex(frame))
"""


def known(lab: Lab) -> dict[str, set[str]]:
    """The interfaces of guests that each node lets pass."""
    found = {}
    for node in lab.nodes:
        listed = lab.ssh(node)(["nft", "--json", "list", "map", "bridge", "drover", "out"]).stdout
        [elements] = [one["map"].get("elem", []) for one in json.loads(listed)["nftables"] if "map" in one]
        found[node] = {element[0] for element in elements}
    return found


def ports(name: str, guest: dict[str, Any]) -> set[str]:
    nics = enumerate(guest["nics"])
    return {host_interface(name, nic.get("mac") or derived_mac(name, index)) for index, nic in nics}


def expected(lab: Lab, guests: Declared) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {node: set() for node in lab.nodes}
    for name, guest in guests.items():
        found[lab.where(name)] |= ports(name, guest)
    return found


def lost(host: str, count: int) -> int:
    """How many of so many echo requests, a hundred a second, are not answered within two seconds."""
    own, answered = os.getpid() & 0xFFFF, set[int]()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as ping:
        ping.setblocking(False)

        def hear() -> None:
            while True:
                try:
                    kind, _code, _sum, whose, number = struct.unpack_from("!BBHHH", ping.recv(200), 20)
                except BlockingIOError:
                    return
                if (kind, whose) == (0, own):
                    answered.add(number)

        for number in range(count):
            total = 0x0800 + own + number
            while total >> 16:
                total = (total & 0xFFFF) + (total >> 16)
            ping.sendto(struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, own, number), (host, 0))
            time.sleep(0.01)
            hear()
        time.sleep(2)
        hear()
    return count - len(answered)


def dropped(lab: Lab, guest: str) -> dict[str, int]:
    said = lab.ssh(lab.where(guest))(["python3", "-I", "-c", DROPPED]).stdout
    its: dict[str, int] = json.loads(said).get(guest, {})
    return its


def test_each_node_knows_the_guests_that_run_there(lab: Lab, declared: Declared) -> None:
    assert known(lab) == expected(lab, declared)


def test_what_a_container_s_root_pretends_to_be_goes_nowhere(lab: Lab, declared: Declared) -> None:
    node, mac = lab.where("web"), derived_mac("web", 0)
    own, other = address(declared["web"]), lab.nodes[next(n for n in lab.nodes if n != lab.where("web"))].address

    def send(*frames: bytes) -> dict[str, int]:
        argv = ["nsenter", "--net", "--target", str(init_of(lab, "web")), "python3", "-I", "-c", SEND]
        lab.ssh(node)([*argv, *(frame.hex() for frame in frames)])
        return dropped(lab, "web")

    before = dropped(lab, "web")
    assert send(arp(mac, own, other)) == before
    after = send(*[arp(mac, other, own, answer=True)] * 5, arp("52:54:00:00:00:01", own, other))
    assert after["spoofed"] == before.get("spoofed", 0) + 6


def test_what_is_filtered_goes_along_and_no_packet_is_lost(lab: Lab, declared: Declared) -> None:
    passing = [{"protocol": protocol, "port": 7} for protocol in ("tcp", "udp")]
    closed = {**declared["game"], "firewall": {"in": passing, "out": []}}
    succeed("guests", guests={**declared, "game": closed})
    try:
        for probe in ("udp://:7", "tcp://:7"):
            succeed("migrate", guest="game", probe=probe, slo={"packets_lost": 0})
            assert known(lab) == expected(lab, declared)
        before = dropped(lab, "game")
        assert lost(address(closed), 5) == 5
        assert dropped(lab, "game")["firewall_in"] == before.get("firewall_in", 0) + 5
    finally:
        succeed("guests")
    assert lost(address(closed), 5) == 0


def test_who_flushes_all_rules_has_them_put_back_and_told(lab: Lab, declared: Declared) -> None:
    for node in lab.nodes:
        lab.ssh(node)(["nft", "flush", "ruleset"])
    busy = {lab.where(name) for name in declared}

    def back() -> set[str]:
        listed = {node: lab.ssh(node)(["nft", "list", "tables", "bridge"]).stdout for node in busy}
        return {node for node, tables in listed.items() if "drover" in tables}

    wait_for(back, lambda nodes: nodes == busy, what="the next monitor", timeout=40)
    for node in busy:
        words = lab.ssh(node)(["journalctl", "--since=-2min", "--grep=it was put back", "--output=cat"]).stdout
        assert "nft flush ruleset?" in words
    for node in lab.nodes:
        lab.ssh(node)(["systemctl", "restart", "drover-filter"])
    assert known(lab) == expected(lab, declared)


def test_guests_that_run_lose_nothing_when_their_node_gets_its_filter(lab: Lab, declared: Declared) -> None:
    for name, guest in declared.items():
        wait_until_answering(guest, timeout=60)
        node = lab.ssh(lab.where(name))
        with ThreadPoolExecutor(1) as other:
            pinging = other.submit(lost, address(guest), 600)
            for _time in range(2):
                node(["sh", "-c", FORGET])
            assert not pinging.done()
        assert pinging.result() == 0
    assert known(lab) == expected(lab, declared)
