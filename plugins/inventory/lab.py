# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodes of a lab on this machine."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab
short_description: The nodes of a lab on this machine
version_added: 0.1.0
description:
  - Reads what C(playbooks/lab.yml) wrote about the lab it made. Without a lab there are no hosts, and a warning.
  - The variable C(lab_name) given with C(-e) goes before O(lab_name).
options:
  plugin:
    description: Always V(cspp.drover.lab).
    type: str
    required: true
    choices: [cspp.drover.lab]
  lab_name:
    description: Which lab.
    type: str
    default: drover
    env:
      - name: DROVER_LAB
  cache_directory:
    description: The role's C(lab_cache), here relative to the inventory file.
    type: str
    default: ../../.cache
  group:
    description: The group that gets the nodes.
    type: str
    default: nodes
  elsewhere:
    description:
      - Nodes that are in another group instead and no members of the cluster, such as V(node3=qnetd); with blanks
        between several.
    type: str
    default: ""
    env:
      - name: DROVER_LAB_ELSEWHERE
author: The Drover maintainers (@cspp)
"""

EXAMPLES = r"""
# A file whose name ends with lab.drover.yml
plugin: cspp.drover.lab
"""

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template
from ansible.utils.vars import load_extra_vars

SUFFIXES = ("lab.drover.yml", "lab.drover.yaml")


def group_variables(lab: dict[str, Any]) -> dict[str, Any]:
    """What all nodes of a lab have in common, from its description."""
    options = ["StrictHostKeyChecking=yes", f"UserKnownHostsFile={lab['known_hosts']}", "IdentitiesOnly=yes"]
    return {
        "ansible_connection": "ssh",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": lab["ssh_key"],
        "ansible_ssh_common_args": " ".join(f"-o {option}" for option in options),
        "lab_name": lab["name"],
        "lab_subnet": lab["subnet"],
        "lab_gateway": lab["gateway"],
    }


def host_variables(node: dict[str, Any]) -> dict[str, Any]:
    """What is a node's own, from its part of the description."""
    own = {key: node[key] for key in ("bmc_address", "bmc_port", "bmc_user", "bmc_password")}
    return {"ansible_host": node["address"], **own}


def elsewhere(text: str) -> dict[str, str]:
    """The groups of nodes that are in one of their own, by the nodes' names. Raises AnsibleParserError."""
    pairs = [word.partition("=") for word in text.split()]
    if not all(node and group for node, _, group in pairs):
        raise AnsibleParserError(f"elsewhere: {text!r} is not NODE=GROUP, with blanks between several")
    return {node: group for node, _, group in pairs}


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    NAME = "cspp.drover.lab"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        name = load_extra_vars(loader).get("lab_name", self.get_option("lab_name"))
        directory = Path(path).resolve().parent / self.get_option("cache_directory") / "lab" / name
        group = self.inventory.add_group(self.get_option("group"))
        try:
            lab = json.loads((directory / "lab.json").read_text())
        except FileNotFoundError:
            self.display.warning(f"There is no lab {name!r}: make it with `ansible-playbook playbooks/lab.yml`.")
            return
        except (OSError, ValueError) as error:
            raise AnsibleParserError(f"The description of lab {name!r} can't be read: {error}") from error
        groups = elsewhere(self.get_option("elsewhere"))
        for name in {group, *groups.values()}:
            self._set(self.inventory.add_group(name), group_variables(lab))
        for node in lab["nodes"]:
            self.inventory.add_host(node["name"], group=groups.get(node["name"], group))
            self._set(node["name"], host_variables(node))

    def _set(self, entity: str, variables: dict[str, Any]) -> None:
        for key, value in variables.items():
            # Our own words: else `ansible-inventory --list` wraps every string, and its readers (testinfra) stumble.
            trusted = trust_as_template(value) if isinstance(value, str) else value
            self.inventory.set_variable(entity, key, trusted)
