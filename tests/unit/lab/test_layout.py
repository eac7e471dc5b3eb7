# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab's names, addresses and paths, and parameters that make none."""

from __future__ import annotations

import dataclasses
import ipaddress
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import MAX_NODES, parameter_problems
from ansible_collections.cspp.drover.tests.unit.lab.samples import LAB


@pytest.mark.parametrize(
    ("name", "subnet", "nodes", "complaints"),
    [
        ("drover", "10.213.0.0/24", 3, []),
        ("a", "192.168.7.0/24", 1, []),
        ("lab2", "10.1.2.0/24", MAX_NODES, []),
        ("", "10.1.2.0/24", 3, ["lab_name"]),
        ("tenletters", "10.1.2.0/24", 3, ["lab_name"]),
        ("../up", "10.1.2.0/24", 3, ["lab_name"]),
        ("Lab", "10.1.2.0/24", 0, ["lab_name", "lab_nodes"]),
        ("lab", "10.1.2.0/16", 33, ["lab_nodes", "lab_subnet"]),
        ("lab", "10.1.2.0/25", 3, ["lab_subnet"]),
        ("lab", "8.8.8.0/24", 3, ["lab_subnet"]),
        ("lab", "fd00::/64", 3, ["lab_subnet"]),
    ],
)
def test_parameters(name: str, subnet: str, nodes: int, complaints: list[str]) -> None:
    assert [text.split()[0] for text in parameter_problems(name, subnet, nodes)] == complaints


def test_names_and_addresses_fit_and_differ() -> None:
    lab = dataclasses.replace(LAB, name="abcdefghi")
    nodes = lab.every_node()
    assert max(len(name) for name in [lab.bridge, *(node.veth for node in nodes)]) <= 15
    addresses = [lab.gateway, *(node.address for node in nodes), *(node.bmc_address for node in nodes)]
    assert len(set(addresses)) == 2 * MAX_NODES + 1
    assert (nodes[0].address, nodes[0].bmc_address) == ("10.99.0.11", "10.99.0.101")
    assert all(int(address.split(".")[3]) < 150 for address in addresses)


def test_two_checkouts_have_two_package_caches() -> None:
    other = dataclasses.replace(LAB, cache=Path("/elsewhere/.cache"))
    assert LAB.package_cache_address != other.package_cache_address
    assert ipaddress.ip_address(LAB.package_cache_address).is_loopback
