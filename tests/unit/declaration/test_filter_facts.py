# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nodes' packet filters are told of the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.declaration.filter_facts import filter_facts
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.filter_rules import Facts, base

RESOLVED = {"nas.example": ["198.51.100.5", "2001:db8::5"]}


def node(number: int, **more: Any) -> dict[str, Any]:
    return {"inventory_hostname": f"node{number}", "node_address": f"192.0.2.1{number}", **more}


def facts(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    resolve = lambda name: RESOLVED.get(name, [name] if name[0].isdigit() or ":" in name else [])  # noqa: E731
    return filter_facts(nodes, "node1", resolve=resolve, **more)


def test_a_member_that_the_inventory_lacks_counts() -> None:
    stray = {"name": "node9", "id": 9, "address": "192.0.2.19", "links": ["198.51.100.19"]}
    assert {"192.0.2.19", "198.51.100.19"} <= set(facts(node(1), members=[stray])["nodes"])


def test_all_addresses_of_nodes_count_and_none_of_guests() -> None:
    interfaces = {
        "lo": {"bridge": None, "addresses": ["127.0.0.1/8", "::1/128"]},
        "br0": {"bridge": None, "addresses": ["192.0.2.11/24", "fe80::1/64", "2001:db8::11/64"]},
        "mgmt": {"bridge": None, "addresses": ["198.51.100.11/24"]},
        "web-3fa2c1": {"bridge": "br0", "addresses": ["203.0.113.1/24"]},
    }
    found = facts(
        node(1, node_facts={"interfaces": interfaces}),
        node(2, cluster_links=["203.0.113.12"], network_bridges={"br0": {"addresses": ["192.0.2.12/24"]}, "br1": None}),
    )
    assert found["nodes"] == [
        "192.0.2.11", "192.0.2.12", "198.51.100.11", "203.0.113.12", "2001:db8::11",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nas.example:/export", ["198.51.100.5", "2001:db8::5"]),
        ("10.0.0.5:/export", ["10.0.0.5"]),
        ("[2001:db8::7]:/export", ["2001:db8::7"]),
        ("//10.0.0.5/share", ["10.0.0.5"]),
        ("10.0.0.1:6789,10.0.0.2:6789:/", ["10.0.0.1", "10.0.0.2"]),
        ("gone.example:/export", []),
        ("/dev/sdb1", []),
    ],
)
def test_servers_of_storage_are_found_in_mounts(source: str, expected: list[str]) -> None:
    found = facts(node(1, storage_pools={"shared": {"mount": {"src": source}}, "own": {}}))
    assert found["walled"] == expected


def test_a_node_that_serves_storage_is_a_node() -> None:
    found = facts(
        node(1, storage_pools={"shared": {"mount": {"src": "192.0.2.12:/export"}}}),
        node(2, network_bridges={"br0": {"addresses": ["192.0.2.12/24"]}}),
    )
    assert "192.0.2.12" in found["nodes"]
    assert found["walled"] == []


def test_power_controllers_and_gateways() -> None:
    found = facts(
        node(1, fencing_bmc={"address": "192.0.2.111"}, network_bridges={"br0": {"gateway": "192.0.2.1"}}),
        node(2, fencing_bmc={}),
    )
    assert (found["walled"], found["gateways"]) == (["192.0.2.111"], ["192.0.2.1"])


def test_ports_that_are_no_guests_are_known() -> None:
    interfaces = {
        "eno1": {"bridge": "br0", "addresses": []},
        "vnet0": {"bridge": "br1", "addresses": []},
        "web-3fa2c1": {"bridge": "br1", "addresses": []},
        "eno2": {"bridge": None, "addresses": []},
    }
    bridges = {"br0": {"ports": ["eno1"]}, "br1": {}}
    found = facts(node(1, network_bridges=bridges, node_facts={"interfaces": interfaces}), own_ports=["vx0"])
    assert found["own"] == ["eno1", "vnet0", "vx0"]
    assert found["bridges"] == ["br0", "br1"]


def test_the_filter_takes_them() -> None:
    import json

    found = facts(
        node(1),
        open_to_guests=[{"protocol": "udp", "port": 53}, {"protocol": "tcp", "port": "8000-8100", "to": "10.0.0.5"}],
    )
    text = base(Facts.parse(json.dumps(found)))
    assert "set open_udp { type inet_service; elements = { 53 } }" in text
    assert "10.0.0.5 . tcp . 8000-8100" in text
