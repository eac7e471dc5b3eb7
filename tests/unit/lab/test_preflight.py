# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in a lab's way on this machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB
from ansible_collections.cspp.drover.plugins.module_utils.lab import machine as lab_machine
from ansible_collections.cspp.drover.plugins.module_utils.lab import preflight as lab_preflight
from ansible_collections.cspp.drover.plugins.module_utils.lab.preflight import Survey, problems
from ansible_collections.cspp.drover.tests.unit.lab.samples import LAB, Commands

SUITABLE = Survey(
    root=True,
    os_release={"ID": "debian", "VERSION_ID": "13", "PRETTY_NAME": "Debian 13"},
    overlay_error=None,
    has_tun=True,
    bridge_owner=None,
    networks={"192.0.2.0/24": "an address of eth0"},
    port_errors={},
    answering=[],
    foreign_machines=[],
    existing_subnet=None,
    existing_nodes=0,
    disk_free=100 * GIB,
    memory_available=16 * GIB,
)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ({}, []),
        ({"bridge_owner": str(LAB.directory), "existing_subnet": "10.99.0.0/24"}, []),
        ({"root": False}, ["root"]),
        ({"os_release": {"ID": "ubuntu", "PRETTY_NAME": "Ubuntu 26.04"}}, ["Ubuntu 26.04"]),
        ({"overlay_error": "no such device"}, ["no such device"]),
        ({"has_tun": False}, ["modprobe tun"]),
        ({"bridge_owner": ""}, ["something else"]),
        ({"bridge_owner": "/elsewhere/.cache/lab/try"}, ["/elsewhere"]),
        ({"networks": {"10.0.0.0/8": "a route by wg0"}}, ["a route by wg0"]),
        (
            {
                "networks": {"10.99.0.0/25": "an address of eth1"},
                "answering": ["10.99.0.11"],
                "port_errors": {"UDP": ""},
            },
            ["an address of eth1"],
        ),
        ({"port_errors": {"UDP 10.99.0.101:623": "Address already in use"}}, ["UDP 10.99.0.101:623"]),
        ({"answering": ["10.99.0.11"]}, ["10.99.0.11"]),
        ({"foreign_machines": ["try-1 (process 7)"]}, ["try-1"]),
        ({"existing_subnet": "10.98.0.0/24"}, ["lab_subnet=10.98.0.0/24"]),
        ({"disk_free": 5 * GIB}, ["5.0 GiB of disk left, 3 nodes need 8.0 GiB"]),
        ({"disk_free": 5 * GIB, "existing_nodes": 3}, []),
        ({"memory_available": 1 * GIB}, ["1.0 GiB of memory"]),
        ({"bridged_traffic_dropped": True}, ["bridge-nf-call-iptables=0"]),
        ({"root": False, "has_tun": False}, ["root", "tun"]),
    ],
)
def test_every_problem_is_named(difference: dict[str, Any], words: list[str]) -> None:
    found = problems(LAB, 3, dataclasses.replace(SUITABLE, **difference))
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_overlayfs_can_not_take_every_path() -> None:
    assert problems(dataclasses.replace(LAB, cache=Path("/a b/.cache")), 3, SUITABLE)


def test_missing_packages() -> None:
    runner = Commands({"dpkg-query": "iproute2 installed\nmmdebstrap config-files\n"})
    assert lab_preflight.missing_packages(["iproute2", "mmdebstrap", "ipmitool"], runner) == ["mmdebstrap", "ipmitool"]


@pytest.mark.parametrize(
    ("switch", "chain", "dropped"),
    [
        ("1", {"family": "ip", "hook": "forward", "policy": "drop"}, True),
        ("1", {"family": "ip", "hook": "forward", "policy": "accept"}, False),
        ("1", {"family": "ip6", "hook": "forward", "policy": "drop"}, False),
        ("1", {"family": "ip", "hook": "input", "policy": "drop"}, False),
        ("0", {"family": "ip", "hook": "forward", "policy": "drop"}, False),
        (None, {}, False),
    ],
)
def test_bridged_traffic(tmp_path: Path, switch: str | None, chain: dict[str, str], dropped: bool) -> None:
    if switch is not None:
        (tmp_path / "switch").write_text(f"{switch}\n")
    chains = {"nftables": [{"metainfo": {}}, {"chain": chain}]}
    runner = Commands({"nft": json.dumps(chains)})
    assert lab_preflight.bridged_traffic_dropped(runner, tmp_path / "switch") is dropped


def test_networks_leave_out_the_labs_own() -> None:
    links = lab_machine.links(
        Commands({"ip": json.dumps([link("eth0", "192.0.2.2", 24), link("lab-try", "10.99.0.1", 24)])})
    )
    routes = [{"dst": "default", "dev": "eth0"}, {"dst": "10.99.0.0/24", "dev": "lab-try"}, {"dst": "172.16.0.0/12"}]
    assert lab_preflight.networks(links, "lab-try", Commands({"ip": json.dumps(routes)})) == {
        "192.0.2.0/24": "an address of eth0",
        "172.16.0.0/12": "a route by elsewhere",
    }


def link(name: str, address: str, length: int) -> dict[str, Any]:
    return {"ifname": name, "addr_info": [{"family": "inet", "local": address, "prefixlen": length}]}
