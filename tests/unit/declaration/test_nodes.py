# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What corosync and Pacemaker are told of the inventory's nodes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.ipmitool import IPMITOOL
from ansible_collections.cspp.drover.plugins.module_utils.declaration import nodes


def host(number: int, **more: Any) -> dict[str, Any]:
    return {"inventory_hostname": f"node{number}", "ansible_host": f"192.0.2.{number}", **more}


def test_an_address_of_its_own_goes_before_the_one_ansible_uses() -> None:
    assert nodes.addresses([host(1), host(2, node_address="198.51.100.2"), {"inventory_hostname": "node3"}]) == {
        "node1": "192.0.2.1",
        "node2": "198.51.100.2",
        "node3": "",
    }


def test_a_members_id_follows_from_its_address_and_not_from_its_neighbours() -> None:
    alone = nodes.members([host(7)])
    assert alone == [{"name": "node7", "id": 0x0207, "links": ["192.0.2.7"], "address": "192.0.2.7"}]
    assert nodes.members([host(1), host(7)])[1:] == alone
    assert nodes.members([host(1, node_address="2001:db8::1:5")])[0]["id"] == 5
    assert nodes.members([host(1, cluster_links=["10.0.0.1", "10.0.1.1"])])[0]["links"] == ["10.0.0.1", "10.0.1.1"]


FACTS = {"memory": 8 << 30, "cpus": 4}


@pytest.mark.parametrize(
    ("variables", "reserve", "overcommit", "carries"),
    [
        ({"node_facts": FACTS}, 0, 1, {"memory": "8192", "vcpus": "4"}),
        ({"node_facts": FACTS}, "1GiB", 4, {"memory": "7168", "vcpus": "16"}),
        ({"node_facts": FACTS, "cluster_node_memory": "5GiB"}, "1GiB", 1, {"memory": "4096", "vcpus": "4"}),
        ({"cluster_node_memory": "5GiB", "cluster_node_cpus": 2}, 0, 1, {"memory": "5120", "vcpus": "2"}),
        ({"node_facts": FACTS}, "9GiB", 1, {"memory": "0", "vcpus": "4"}),
        ({}, 0, 1, None),
        ({"cluster_node_memory": "5GiB"}, 0, 1, None),
    ],
)
def test_capacities(
    variables: dict[str, Any], reserve: str | int, overcommit: int, carries: dict[str, str] | None
) -> None:
    expected = {} if carries is None else {"node1": {"utilization": carries}}
    assert nodes.capacities([host(1, **variables)], reserve, overcommit) == expected


def test_a_node_with_a_power_controller_gets_a_device() -> None:
    bmc = {"address": "192.0.2.101", "user": "fence", "password": "s", "options": {"power_wait": 2}}
    [device] = nodes.fencing_devices([host(1, fencing_bmc=bmc), host(2), host(3, fencing_bmc={})])
    assert device == {
        "node": "node1",
        "agent": "fence_ipmilan",
        "address": "192.0.2.101",
        "port": 623,
        "username": "fence",
        "password": "",
        "options": {"power_wait": "2", "ipmitool_path": IPMITOOL},
        "level": 1,
    }


def test_a_second_power_controller_is_a_device_of_the_second_level() -> None:
    strip = {"address": "192.0.2.9", "agent": "fence_redfish", "password": "s"}
    both = host(1, fencing_bmc={"address": "192.0.2.101"}, fencing_fallback=strip)
    found = [(one["level"], one["address"], one["port"]) for one in nodes.fencing_devices([both, host(2)])]
    assert found == [(1, "192.0.2.101", 623), (2, "192.0.2.9", 443)]
    # Alone it is the first.
    assert [one["level"] for one in nodes.fencing_devices([host(1, fencing_fallback=strip)])] == [1]


@pytest.mark.parametrize(
    ("bmc", "passwords", "told"),
    [
        ({}, {"192.0.2.101 623": "s"}, ""),
        ({"port": 6230, "agent": "fence_idrac"}, {"192.0.2.101 6230": "s"}, ""),
        ({"agent": "fence_redfish"}, {}, "s"),
        ({"options": {"ipmitool_path": "/opt/ipmitool"}}, {}, "s"),
        ({"password": ""}, {}, ""),
    ],
)
def test_a_password_goes_one_way_or_the_other(bmc: dict[str, Any], passwords: dict[str, str], told: str) -> None:
    hosts = [host(1, fencing_bmc={"address": "192.0.2.101", "password": "s", **bmc}), host(2)]
    assert nodes.fencing_passwords(hosts) == passwords
    [device] = nodes.fencing_devices(hosts)
    assert device["password"] == told


DEVICES = [{"node": "node1"}, {"node": "node2"}]
WORKS = [{"node": "node1", "works": True, "message": ""}, {"node": "node2", "works": True, "message": ""}]
REFUSES = [WORKS[0], {"node": "node2", "works": False, "message": "wrong password"}]
UNKNOWN = [{**result, "works": None} for result in WORKS]


@pytest.mark.parametrize(
    ("names", "devices", "checks", "report"),
    [
        (["node1", "node2"], DEVICES, {"node1": WORKS, "node2": WORKS}, ""),
        (["node1", "node2"], DEVICES, {"node1": UNKNOWN}, ""),
        (["node1", "node2"], DEVICES[:1], {"node1": WORKS[:1]}, "node2 has no power controller: set fencing_bmc"),
        (
            ["node1", "node2"],
            DEVICES,
            {"node2": REFUSES, "node1": REFUSES, "node3": WORKS},
            "node2 cannot be fenced by node1: wrong password",
        ),
        (["node1", "node2"], DEVICES, {"node1": WORKS, "node2": REFUSES}, ""),
    ],
)
def test_the_report_names_what_is_not_proven(
    names: list[str], devices: list[dict[str, Any]], checks: dict[str, list[dict[str, Any]]], report: str
) -> None:
    told = nodes.fencing_report(names, devices, checks)
    assert told == report if not report else told.startswith(report)
    assert len(told.splitlines()) == bool(report)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "none"),
        (1, "n1"),
        (4, "n1, n2, n3, n4"),
        (5, "n1, n2, n3 and 2 more"),
        (12, "n1, n2, n3 and 9 more"),
    ],
)
def test_few_names_are_told_and_many_are_counted(count: int, said: str) -> None:
    assert nodes.enumerated([f"n{number}" for number in range(1, count + 1)]) == said


def test_memory_is_overcommitted_only_when_told() -> None:
    (plain,), (more,) = (
        nodes.capacities([{"inventory_hostname": "n1", "node_facts": FACTS}], 0, 1, *told).values()
        for told in ((), (1.5,))
    )
    assert (plain["utilization"]["memory"], more["utilization"]["memory"]) == ("8192", "12288")
