# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks as declared: bridges, what is on them beside guests, and whether guests fit in."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.declaration import networks
from ansible_collections.cspp.drover.plugins.module_utils.declaration.reader import read
from ansible_collections.cspp.drover.plugins.module_utils.declaration.types import Cluster, Node

GOOD = {"ports": ["eno1"], "addresses": ["192.0.2.11/24"], "gateway": "192.0.2.1", "dns": ["192.0.2.53"]}
BRIDGES: dict[str, Any] = {
    "br0": GOOD,
    "br1": {"ports": ["eno2"], "mtu": 9000, "vlan_aware": True, "dns": ["2001:db8::53"]},
    "by-hand": {},
}
NODES: dict[str, dict[str, Any]] = {
    "node1": {"addresses": ["127.0.0.1/8", "::1/128", "192.0.2.11/24"], "power_controller": "198.51.100.1"},
    "node2": {"addresses": ["192.0.2.12/24"], "power_controller": "bmc2.example.org"},
}
POOLS: dict[str, dict[str, Any]] = {"shared": {"mount": {"src": "192.0.2.9:/export"}}, "own": {"path": "/srv"}}
CLUSTER = Cluster(
    nodes={"node1": Node(), "node2": Node()},
    images={"tiny": {"vm": "kernel"}},
    pools=("shared",),
    default_pool="shared",
    bridges=networks.bridges(BRIDGES),
    taken=networks.machines(NODES, POOLS),
)


def guest(**nic: Any) -> dict[str, Any]:
    return {"kind": "vm", "image": "tiny", "memory": "64MiB", "nics": [{"bridge": "br0", **nic}]}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (BRIDGES, []),
        ({}, []),
        ({"br0": {**GOOD, "accept_ra": True, "mtu": 1400, "addresses": ["2001:db8::1/64"], "gateway": "fe80::1"}}, []),
        # As hosters give them.
        ({"br0": {**GOOD, "addresses": ["203.0.113.7/32"], "gateway": "198.51.100.1"}}, []),
        ([GOOD], ["network_bridges: is not a mapping from names to bridges"]),
        ({"br0": ["eno1"]}, ["network_bridges.br0: is not a mapping with the bridge's properties"]),
        (
            {"a-name-too-long-for-linux": {}},
            [
                "network_bridges.a-name-too-long-for-linux: a bridge's name has at most 15 letters, digits, dots, "
                "hyphens or underscores"
            ],
        ),
        # What made all nodes of a cluster dark at once.
        (
            {"br0": {"ports": ["eno1"], "address": "192.0.2.11/24", "gateway": "192.0.2.1"}},
            [
                "network_bridges.br0.address: is not a key here (did you mean addresses?)",
                "network_bridges.br0.gateway: needs addresses: the node has none on this bridge",
            ],
        ),
        (
            {"br0": {**GOOD, "addresses": ["192.0.2.11"]}},
            [
                "network_bridges.br0.addresses: 192.0.2.11 lacks its prefix length: write 192.0.2.11/24",
                "network_bridges.br0.gateway: needs addresses: the node has none on this bridge",
            ],
        ),
        (
            {"br0": {**GOOD, "ports": "eno1"}},
            ["network_bridges.br0.ports: 'eno1' is not a list: write [eno1]"],
        ),
        (
            {"br0": {**GOOD, "gateway": "192.0.3.1"}},
            [
                "network_bridges.br0.gateway: 192.0.3.1 is not on the network of any address of this interface (if "
                "your hoster gives it like that, write the address with /32)"
            ],
        ),
        (
            {"br0": {**GOOD, "gateway": "192.0.2.11"}},
            ["network_bridges.br0.gateway: 192.0.2.11 is the interface's own address"],
        ),
        ({"br0": {**GOOD, "mtu": 90000}}, ["network_bridges.br0.mtu: 90000 is not within 576 to 9216"]),
        ({"br0": {**GOOD, "dns": ["ns1"]}}, ["network_bridges.br0.dns: 'ns1' is not an IP address"]),
        ({"br0": {**GOOD, "vlan_aware": "on"}}, ["network_bridges.br0.vlan_aware: 'on' is neither true nor false"]),
        (
            {"br0": GOOD, "br1": {"ports": ["eno1"]}},
            ["network_bridges.br1.ports: eno1 is also a port of network_bridges.br0"],
        ),
    ],
)
def test_bridges_are_judged_before_they_are_made(declared: Any, expected: list[str]) -> None:
    assert networks.problems(declared) == expected


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("192.0.2.9:/export", "192.0.2.9"),
        ("[2001:db8::9]:/export", "2001:db8::9"),
        ("//192.0.2.9/share", "192.0.2.9"),
        ("192.0.2.8:6789,192.0.2.9:6789:/", "192.0.2.9"),
        ("192.0.2.8,192.0.2.9:/", "192.0.2.9"),
        ("nas.example.org:/export", None),
        ("/dev/sdb1", None),
    ],
)
def test_storage_servers(source: str, address: str | None) -> None:
    found = networks.machines({}, {"shared": {"mount": {"src": source}}})
    assert address is None if not found else found[str(address)] == "the storage server of pool shared"


@pytest.mark.parametrize(
    ("nic", "expected"),
    [
        ({"address": "198.51.100.1/24"}, "address: 198.51.100.1 is also the address of the power controller of node1"),
        ({"address": "192.0.2.9/24"}, "address: 192.0.2.9 is also the address of the storage server of pool shared"),
        ({"address": "192.0.2.12/24"}, "address: 192.0.2.12 is also the address of node node2"),
        (
            {"vlan": 42},
            "vlan: br0 is not VLAN-aware: give it vlan_aware: true in network_bridges and run playbooks/site.yml, or "
            "leave out vlan",
        ),
        ({"vlan": 42, "bridge": "br1"}, None),
        ({"vlan": 42, "bridge": "by-hand"}, None),
        (
            {"mtu": 1400},
            "mtu: 1400 is less than the 1500 of br0, which would sink to it for all that are on it: leave it out and "
            "set it inside the guest",
        ),
        (
            {"mtu": 9000},
            "mtu: 9000 is more than the 1500 of br0, which drops what is longer: give the bridge mtu: 9000 in "
            "network_bridges and run playbooks/site.yml",
        ),
        ({"mtu": 1500}, None),
        ({"mtu": 9000, "bridge": "br1"}, None),
        ({"mtu": 1400, "bridge": "by-hand"}, None),
        ({"address": "203.0.113.7/32", "gateway": "198.51.100.99"}, None),
        ({"address": "2001:db8:1::7/64", "gateway": "fe80::1"}, None),
        (
            {"address": "2001:db8:1::7/64", "gateway": "2001:db8:2::1"},
            "gateway: 2001:db8:2::1 is not on the network of any address of this interface (if your hoster gives it "
            "like that, write the address with /128)",
        ),
    ],
)
def test_an_interface_fits_its_bridge_and_takes_nobodys_address(nic: dict[str, Any], expected: str | None) -> None:
    found = [str(problem) for problem in read({"web": guest(**nic)}, CLUSTER).problems]
    assert found == ([f"guests.web.nics[0].{expected}"] if expected else [])


@pytest.mark.parametrize(
    ("guests", "expected"),
    [
        (
            {"web": guest(address="192.0.2.20/24"), "mail": guest(address="192.0.2.21/24")},
            "guests (web, mail) share the network 192.0.2.0/24 with nodes node1, node2, the storage server of pool "
            "shared: better give these one without guests",
        ),
        # One that asks for its address is where the bridge is.
        (
            {"web": guest()},
            "guests (web) share the network 192.0.2.0/24 with nodes node1, node2, the storage server of pool shared: "
            "better give these one without guests",
        ),
        (
            {"web": guest(address="198.51.100.20/24")},
            "guests (web) share the network 198.51.100.0/24 with the power controller of node1: better give these one "
            "without guests",
        ),
        ({"web": guest(bridge="br1", vlan=42), "mail": guest(bridge="br1", address="203.0.113.5/24")}, None),
    ],
)
def test_guests_beside_what_carries_them_are_worth_knowing_once(guests: dict[str, Any], expected: str | None) -> None:
    assert list(read(guests, CLUSTER).warnings) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("own", "everybodys", "nics", "expected"),
    [
        (None, (), [{"bridge": "br0"}, {"bridge": "br1"}], ("192.0.2.53",)),
        (None, (), [{"bridge": "br1"}], ("2001:db8::53",)),
        (None, (), [{"bridge": "by-hand"}], ()),
        (None, (), [], ()),
        (None, ("203.0.113.53",), [{"bridge": "br0"}], ("203.0.113.53",)),
        (["203.0.113.99"], ("203.0.113.53",), [{"bridge": "br0"}], ("203.0.113.99",)),
        ([], ("203.0.113.53",), [{"bridge": "br0"}], ()),
    ],
)
def test_guests_ask_their_own_servers_else_everybodys_else_their_bridges(
    own: list[str] | None, everybodys: tuple[str, ...], nics: list[dict[str, Any]], expected: tuple[str, ...]
) -> None:
    declared = {**guest(), "nics": nics, **({} if own is None else {"nameservers": own})}
    cluster = Cluster(
        nodes={},
        images=CLUSTER.images,
        pools=("shared",),
        default_pool="shared",
        bridges=CLUSTER.bridges,
        nameservers=everybodys,
    )
    assert read({"web": declared}, cluster).guests["web"].nameservers == expected


@pytest.mark.parametrize(
    ("address", "more", "problem"),
    [
        ("192.0.2.1/24", {}, "192.0.2.1 is the gateway of br0"),
        ("192.0.2.1/24", {"trusted": True}, None),
        ("203.0.113.2/24", {}, None),
    ],
)
def test_only_routers_have_the_address_of_the_nodes_gateway(
    address: str, more: dict[str, Any], problem: str | None
) -> None:
    found = [str(one) for one in read({"router": guest(address=address, **more)}, CLUSTER).problems]
    remedy = "say trusted: true if this guest is that router"
    assert found == ([f"guests.router.nics[0].address: {problem}: {remedy}"] if problem else [])


def test_a_guest_that_is_asked_for_names_is_worth_knowing() -> None:
    web = {**guest(address="203.0.113.9/24"), "nameservers": ["203.0.113.53"]}
    found = read({"web": web, "dns": guest(address="203.0.113.53/24")}, CLUSTER)
    assert (found.problems, list(found.warnings)) == (
        (),
        ["guests ask dns (203.0.113.53) for names: right if it is their DNS server"],
    )
