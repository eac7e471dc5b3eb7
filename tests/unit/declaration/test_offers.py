# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a declaration may name, as role console writes it down on nodes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration
from ansible_collections.cspp.drover.plugins.module_utils.declaration.offers import offers, surroundings

ROLES = Path(__file__).resolve().parents[3] / "roles"
GIVEN: dict[str, Any] = {
    "images": {"debian-13": {"vm": "disk"}},
    "pools": {
        "nas": {
            "type": "directory",
            "path": "/nas",
            "mount": {"src": "//192.0.2.9/share", "fstype": "cifs", "options": "password=hunter2"},
        },
        "disks": {"type": "rbd", "pool": "vms"},
    },
    "default_pool": "nas",
    "rootfs_pool": "",
    "bridges": {"br0": {"addresses": ["192.0.2.1/24"], "ports": ["eno1"], "vlan_aware": True}, "br1": {}},
}


def host(number: int, **more: Any) -> dict[str, Any]:
    bridge = {"addresses": [f"192.0.2.{number}/24"]}
    return {
        "inventory_hostname": f"n{number}",
        "ansible_host": f"198.51.100.{number}",
        "network_bridges": {"br0": bridge, "br1": None},
        "fencing_bmc": {"address": f"10.0.0.{number}", "password": "hunter2"},
        **more,
    }


HOSTS = [host(1), host(2)]


def test_it_is_the_same_on_every_node_whichever_could_be_asked() -> None:
    there = offers(GIVEN, HOSTS)
    facts = {"interfaces": {"eno1": {"addresses": ["203.0.113.1/24"]}}, "memory": 1 << 34, "cpus": 8}
    other = {**GIVEN, "bridges": {"br0": {**GIVEN["bridges"]["br0"], "addresses": ["192.0.2.2/24"]}, "br1": {}}}
    assert offers(other, [host(1, node_facts=facts), host(2)]) == there
    assert there["nodes"]["n2"] == {"addresses": ["198.51.100.2", "192.0.2.2"], "power_controller": "10.0.0.2"}
    assert there["bridges"] == {"br0": {"vlan_aware": True, "addresses": ["192.0.2.0/24"]}, "br1": {}}


def test_nothing_in_it_is_secret() -> None:
    assert "hunter2" not in str(offers(GIVEN, HOSTS))


def test_who_judges_by_it_knows_whose_an_address_is() -> None:
    around = surroundings(offers(GIVEN, HOSTS), {"n1": {"memory": 1 << 34, "vcpus": 8}, "n2": {}})

    def about(address: str) -> str:
        nics = [{"bridge": "br0", "address": f"{address}/24"}]
        guest = {"kind": "vm", "memory": "1GiB", "disks": [{"size": "8GiB", "image": "debian-13"}], "nics": nics}
        return " ".join(map(str, Declaration.read({"new": guest}, around).reading.problems))

    assert "node n1" in about("192.0.2.1")
    assert "the power controller of n2" in about("10.0.0.2")
    assert "the storage server of pool nas" in about("192.0.2.9")
    assert about("192.0.2.77") == ""


def test_nodes_are_told_all_that_role_guests_judges_by() -> None:
    """Less what only a run knows: what nodes have. Keys that all guests have are judged by themselves."""
    judged = yaml.safe_load((ROLES / "guests/vars/main.yml").read_text())["__guests_cluster"]
    told = yaml.safe_load((ROLES / "console/vars/main.yml").read_text())["__console_offers"]
    assert set(re.findall(r"^ *'(\w+)':", told, re.MULTILINE)) == set(judged) - {"nodes", "ssh_keys"}
