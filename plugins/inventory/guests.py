# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests of a cluster, as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: guests
short_description: The guests of a cluster, as hosts
version_added: 0.5.0
description:
  - Asks a node of the cluster which guests there are, and where they are now. Any node does; one that does not answer
    is passed over. Nodes are the hosts of O(nodes_group), which other sources of the inventory have to tell before
    this one.
  - Each guest is a host with the variables C(drover_name), C(drover_kind), C(drover_node), C(drover_state),
    C(drover_ha), C(drover_priority), C(drover_tags), C(drover_memory), C(drover_vcpus), C(drover_addresses) and
    C(drover_description), in the groups O(group), C(drover_kind_KIND), C(drover_state_STATE),
    C(drover_node_NODE) and C(drover_tag_TAG).
  - Its C(ansible_host) is its first address. A container without one, and every container with O(containers=attach),
    is reached through the nodes (P(cspp.drover.container#connection)).
  - What guests are called and described as is nobody's template.
options:
  plugin:
    description: Always V(cspp.drover.guests).
    type: str
    required: true
    choices: [cspp.drover.guests]
  nodes_group:
    description: The group of the nodes.
    type: str
    default: nodes
  group:
    description: The group that gets all guests.
    type: str
    default: guests
  hostname:
    description: What a guest is called in the inventory, an expression.
    type: str
    default: drover_name
  filters:
    description: Conditions on a guest's variables. Only those for which all hold become hosts.
    type: list
    elements: str
    default: []
  containers:
    description: How containers are reached.
    type: str
    choices:
      auto: At their address if they have one, else through the nodes.
      attach: Through the nodes.
      ssh: At their address.
    default: auto
  include_nodes:
    description: Whether nodes get C(drover_state) and C(drover_guests) too, and the groups C(drover_node_state_STATE).
    type: bool
    default: false
  silent:
    description: What to do when no node answers.
    type: str
    choices:
      fail: Say why none does.
      cache: Take what the cache has, if it has anything.
    default: fail
author: The Drover maintainers (@cspp)
extends_documentation_fragment:
  - constructed
  - inventory_cache
"""

EXAMPLES = r"""
# A file whose name ends with guests.drover.yml, read after that of the nodes: -i hosts.yml -i guests.drover.yml
plugin: cspp.drover.guests
filters: ["drover_state == 'running'"]
keyed_groups:
  - {key: drover_kind, prefix: is}
compose:
  ansible_user: "'debian' if drover_kind == 'vm' else 'root'"
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.reporting.status import overview
from ansible_collections.cspp.drover.plugins.plugin_utils.remote import NodeProgram, Silent, first_answer

SUFFIXES = ("guests.drover.yml", "guests.drover.yaml")
#: What of a guest's entry in the status becomes a variable of the same name.
_PLAIN = ("name", "kind", "state", "ha", "priority", "memory", "vcpus", "addresses", "description", "tags")
#: How a node is reached: the variable of the inventory, and what the connection plugin calls it.
_WAYS = {
    "ansible_host": "host",
    "ansible_port": "port",
    "ansible_user": "user",
    "ansible_ssh_private_key_file": "private_key_file",
    "ansible_ssh_common_args": "common_args",
    "ansible_ssh_extra_args": "extra_args",
    "ansible_become": "become",
}


def variables(guest: Mapping[str, Any]) -> dict[str, Any]:
    """A guest's variables, of its entry in the status."""
    nodes = guest["nodes"]
    return {**{f"drover_{key}": guest[key] for key in _PLAIN}, "drover_node": nodes[0] if nodes else None}


def groups_of(found: Mapping[str, Any]) -> list[str]:
    """The groups that a guest with these variables is in."""
    groups = [f"drover_kind_{found['drover_kind']}", f"drover_state_{found['drover_state']}"]
    groups += [f"drover_node_{found['drover_node']}"] if found["drover_node"] else []
    groups += [f"drover_tag_{tag}" for tag in found["drover_tags"]]
    return [re.sub(r"\W+", "_", one, flags=re.ASCII).strip("_") for one in groups]


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    NAME = "cspp.drover.guests"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(SUFFIXES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        nodes = self._nodes()
        seen = self._seen(path, nodes, cache)
        group = self.inventory.add_group(self.get_option("group"))
        self.inventory.set_variable(group, "drover_nodes", [self._way(*node) for node in nodes.items()])
        for guest in seen["guests"]:
            self._add(guest, group)
        if self.get_option("include_nodes"):
            for node in seen["nodes"]:
                self._describe(node)

    def _nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes and their variables, those of groups and beside the inventory too."""
        name = self.get_option("nodes_group")
        group = self.inventory.groups.get(name)
        hosts = group.get_hosts() if group else []
        if not hosts:
            raise AnsibleParserError(
                f"The inventory has no nodes (group {name}) so far, and a node is asked which guests there are. Give "
                "the file of the nodes before this one (-i NODES -i GUESTS), or call this one so that it sorts after it"
            )
        found = {}
        for host in hosts:
            known = get_group_vars(host.get_groups())
            for entities in (host.get_groups(), [host]):
                sources = self.inventory.processed_sources
                known = combine_vars(known, get_vars_from_inventory_sources(self.loader, sources, entities, "all"))
            found[host.name] = combine_vars(known, host.get_vars())
        return found

    def _seen(self, path: str, nodes: Mapping[str, Mapping[str, Any]], cache: bool) -> dict[str, Any]:
        """What a node tells, or the cache."""
        key, keeps = self.get_cache_key(path), self.get_option("cache")
        kept = self._cache.get(key) if keeps else None
        if cache and kept:
            return dict(kept)
        try:
            _node, found = first_answer(list(nodes), lambda node: self._ask(node, nodes), lambda told: told["quorum"])
        except Silent as error:
            if kept and self.get_option("silent") == "cache":
                self.display.warning(f"No node tells which guests there are; the cache does. {error}")
                return dict(kept)
            raise AnsibleParserError(f"No node tells which guests there are. {error}") from error
        if keeps:
            self._cache[key] = found
        return found

    def _ask(self, node: str, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        cluster = Pacemaker(NodeProgram(node, nodes[node], self.templar))
        live, status = read(cluster.query()), cluster.status()
        found = overview(live, status)
        for guest in found["guests"]:
            guest["tags"] = list((guest_of(live.primitives[guest["name"]]) or {}).get("tags") or [])
        return {"quorum": status.quorum, "guests": found["guests"], "nodes": found["nodes"]}

    def _way(self, node: str, known: Mapping[str, Any]) -> dict[str, Any]:
        """How the connection plugin reaches a node."""
        render = self.templar.copy_with_new_env(available_variables=dict(known)).template
        way = {"name": node, **{word: render(known[key]) for key, word in _WAYS.items() if key in known}}
        return {"host": node, **way}

    def _add(self, guest: Mapping[str, Any], group: str) -> None:
        found, strict = variables(guest), self.get_option("strict")
        if not self._wanted(found, strict):
            return
        name = str(self._compose(self.get_option("hostname"), found))
        if name in self.inventory.hosts:
            raise AnsibleParserError(
                f"Guest {guest['name']} is to be called {name} in the inventory, and another host is. Give guests "
                "other names there, with the option hostname: \"'guest-' ~ drover_name\", say"
            )
        self.inventory.add_host(name, group=group)
        ways = self.get_option("containers")
        if guest["addresses"]:
            found["ansible_host"] = guest["addresses"][0]
        if guest["kind"] == "container" and (ways == "attach" or (ways == "auto" and not guest["addresses"])):
            found["ansible_connection"] = "cspp.drover.container"
            found["ansible_host"] = guest["name"]
        for key, value in found.items():
            self.inventory.set_variable(name, key, value)
        for one in groups_of(found):
            self.inventory.add_child(self.inventory.add_group(one), name)
        self._set_composite_vars(self.get_option("compose"), found, name, strict)
        self._add_host_to_composed_groups(self.get_option("groups"), found, name, strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), found, name, strict)

    def _wanted(self, found: Mapping[str, Any], strict: bool) -> bool:
        self.templar.available_variables = dict(found)
        for condition in self.get_option("filters"):
            try:
                if not self.templar.evaluate_conditional(condition):
                    return False
            except AnsibleError as error:
                if strict:
                    raise AnsibleParserError(f"The filter {condition!r} cannot be judged: {error}") from error
                return False
        return True

    def _describe(self, node: Mapping[str, Any]) -> None:
        if node["name"] in self.inventory.hosts:
            self.inventory.set_variable(node["name"], "drover_state", node["state"])
            self.inventory.set_variable(node["name"], "drover_guests", node["guests"])
            group = self.inventory.add_group(f"drover_node_state_{node['state']}")
            self.inventory.add_child(group, node["name"])
