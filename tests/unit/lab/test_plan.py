# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps to a lab's network and nodes, from what there is of them."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.lab.plan import (
    NetworkSeen,
    NodesSeen,
    network_steps,
    nodes_steps,
)
from ansible_collections.cspp.drover.tests.unit.lab.samples import HEALTHY, LAB

COMPLETE = NetworkSeen({"10.99.0.1/24", "10.99.0.101/32", "10.99.0.102/32"}, package_cache=True, forwarder=True)


@pytest.mark.parametrize(
    ("nodes", "seen", "steps"),
    [
        (
            1,
            NetworkSeen(),
            [
                "create bridge lab-try",
                "add address 10.99.0.1/24",
                "add address 10.99.0.101/32",
                "start package cache /checkout/.cache/lab-cache/packages",
                "start package forwarder 10.99.0.1",
            ],
        ),
        (2, COMPLETE, []),
        (3, COMPLETE, ["add address 10.99.0.103/32"]),
        (1, COMPLETE, ["remove address 10.99.0.102/32"]),
        (2, dataclasses.replace(COMPLETE, forwarder=False), ["start package forwarder 10.99.0.1"]),
        (2, dataclasses.replace(COMPLETE, strays={"vb-try-4"}), ["delete link vb-try-4"]),
        (
            2,
            dataclasses.replace(COMPLETE, package_cache_outdated=True),
            [f"{verb} package cache /checkout/.cache/lab-cache/packages" for verb in ("stop", "start")],
        ),
        (0, NetworkSeen(), []),
        (
            0,
            COMPLETE,
            [
                "stop package forwarder 10.99.0.1",
                "stop package cache /checkout/.cache/lab-cache/packages",
                "delete bridge lab-try",
            ],
        ),
        (
            0,
            dataclasses.replace(COMPLETE, cache_needed_by_others=True),
            ["stop package forwarder 10.99.0.1", "delete bridge lab-try"],
        ),
    ],
)
def test_network_steps(nodes: int, seen: NetworkSeen, steps: list[str]) -> None:
    assert [str(step) for step in network_steps(LAB, nodes, seen)] == steps


@pytest.mark.parametrize(
    ("nodes", "seen", "steps"),
    [
        (1, NodesSeen(), ["create node node1", "start BMC of node1", "power on node1"]),
        (2, HEALTHY, []),
        (3, HEALTHY, ["create node node3", "start BMC of node3", "power on node3"]),
        (1, HEALTHY, ["remove node node2"]),
        (0, HEALTHY, ["remove node node1", "remove node node2"]),
        (2, dataclasses.replace(HEALTHY, powered={1}), ["power on node2"]),
        (2, dataclasses.replace(HEALTHY, with_bmc={2}), ["start BMC of node1"]),
        (
            2,
            NodesSeen(complete={1}, half_made={2}, powered={1, 2}, with_bmc={1, 2}),
            ["remove node node2", "create node node2", "start BMC of node2", "power on node2"],
        ),
        (0, NodesSeen(half_made={1}, powered={3}, with_bmc={2}), [f"remove node node{i}" for i in (1, 2, 3)]),
    ],
)
def test_nodes_steps(nodes: int, seen: NodesSeen, steps: list[str]) -> None:
    assert [str(step) for step in nodes_steps(LAB, nodes, seen)] == steps
