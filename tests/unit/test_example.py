# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory that owners of real servers copy holds what the roles accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration import declaration, networks, nodes
from ansible_collections.cspp.drover.plugins.module_utils.host import networkd
from ansible_collections.cspp.drover.plugins.module_utils.storage import mounts

EXAMPLE = Path(__file__).resolve().parents[2] / "inventory" / "example"
ROLES = EXAMPLE.parents[1] / "roles"


@pytest.fixture(scope="module")
def variables() -> dict[str, Any]:
    """All group variables of the example, templates as they stand."""
    return {
        key: value
        for file in sorted(EXAMPLE.joinpath("group_vars", "all").glob("*.yml"))
        for key, value in yaml.safe_load(file.read_text()).items()
    }


@pytest.fixture(scope="module")
def hosts() -> list[dict[str, Any]]:
    """The variables of its hosts, with what Ansible and role node add."""
    group = yaml.safe_load(EXAMPLE.joinpath("hosts.yml").read_text())["nodes"]
    facts = {"memory": 64 << 30, "cpus": 16, "interfaces": {}}
    return [{**host, "inventory_hostname": name, "node_facts": facts} for name, host in group["hosts"].items()]


def rendered(bridges: dict[str, Any]) -> dict[str, Any]:
    """Bridges as they are on the first node."""
    return dict(json.loads(json.dumps(bridges).replace("{{ ansible_host }}", "192.0.2.11")))


def test_its_guests_are_accepted(variables: dict[str, Any], hosts: list[dict[str, Any]]) -> None:
    images = {"debian-13": {"vm": "disk", "container": "rootfs"}, "tiny": {"vm": "kernel"}}
    cluster = {
        "nodes": declaration.nodes(hosts),
        "images": images,
        "pools": variables["storage_pools"],
        "default_pool": "shared",
        "bridges": rendered(variables["network_bridges"]),
        "ssh_keys": variables["guests_ssh_keys"],
        "nameservers": [],
    }
    outline = declaration.Declaration.read(variables["guests"], cluster).outline()
    # The key is the owner's to write: one that were right would open guests to whoever has it.
    assert [problem.partition(":")[0] for problem in outline["problems"]] == ["guests_ssh_keys[0]"]
    assert outline["worth_knowing"] == []


def test_every_node_can_be_fenced(hosts: list[dict[str, Any]]) -> None:
    assert [device["node"] for device in nodes.fencing_devices(hosts)] == ["node1", "node2", "node3"]
    assert len({member["id"] for member in nodes.members(hosts)}) == 3


def test_its_bridges_and_mounts_become_files(variables: dict[str, Any]) -> None:
    bridges = rendered(variables["network_bridges"])
    assert networks.problems(bridges) == []
    assert len(networkd.files(bridges)) == 3
    assert [Path(file["path"]).name for file in mounts.units(variables["storage_pools"])] == ["srv-drover-shared.mount"]


def test_it_sets_only_what_roles_know(variables: dict[str, Any]) -> None:
    known = {"guests", "vault_bmc_password"}
    for role in ROLES.iterdir():
        specs = yaml.safe_load(role.joinpath("meta", "argument_specs.yml").read_text())["argument_specs"]
        known |= {option for spec in specs.values() for option in spec.get("options", {})}
    assert set(variables) <= known
