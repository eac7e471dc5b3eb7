# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab's description: when it is due, and what the inventory makes of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleParserError

from ansible_collections.cspp.drover.plugins.inventory import lab as lab_inventory
from ansible_collections.cspp.drover.plugins.module_utils.core import atomic
from ansible_collections.cspp.drover.plugins.module_utils.lab.description import describe
from ansible_collections.cspp.drover.plugins.module_utils.lab.nodes import LabNodes, NodeSettings
from ansible_collections.cspp.drover.tests.unit.lab.samples import HEALTHY, LAB, Commands


@pytest.fixture
def nodes(tmp_path: Path) -> LabNodes:
    lab = dataclasses.replace(LAB, cache=tmp_path)
    lab.directory.mkdir(parents=True)
    lab.secrets.write_text('{"bmc_password": "secret"}')
    return LabNodes(lab, NodeSettings("/base", "http://10.99.0.1:3142", 623, [], "/plugins"), Commands())


def write_description(nodes: LabNodes, count: int) -> None:
    atomic.write(nodes.lab.description, describe(nodes.lab, count, nodes.settings.bmc_port) or "")


def test_a_described_lab_needs_no_description(nodes: LabNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabNodes, "see", lambda _self: HEALTHY)
    assert [step.verb for step in nodes.plan(2)] == ["describe lab in"]
    write_description(nodes, 2)
    assert nodes.plan(2) == []
    assert nodes.lab.description.stat().st_mode & 0o777 == 0o600


def test_the_inventory_is_what_the_description_says(nodes: LabNodes) -> None:
    write_description(nodes, 2)
    lab = json.loads(nodes.lab.description.read_text())
    assert lab_inventory.group_variables(lab)["lab_gateway"] == "10.99.0.1"
    assert [lab_inventory.host_variables(node) for node in lab["nodes"]] == [
        {
            "ansible_host": f"10.99.0.1{index}",
            "bmc_address": f"10.99.0.10{index}",
            "bmc_port": 623,
            "bmc_user": "drover",
            "bmc_password": "secret",
        }
        for index in (1, 2)
    ]


def test_nodes_may_be_elsewhere() -> None:
    assert lab_inventory.elsewhere("") == {}
    assert lab_inventory.elsewhere("node3=qnetd node4=spare") == {"node3": "qnetd", "node4": "spare"}
    with pytest.raises(AnsibleParserError, match="'node3' is not NODE=GROUP"):
        lab_inventory.elsewhere("node3")
