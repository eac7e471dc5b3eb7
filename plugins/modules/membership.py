#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin membership, which has no part on nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: membership
short_description: Settle who is to be a member of the cluster
version_added: 0.4.0
description:
  - Compares the nodes of the inventory with those that the nodes know as members. Fails, before anything is touched,
    for a member that has another name or another address in the inventory.
  - A member that the inventory does not have stays one, and is named in RV(notes).
  - Runs on the controller and asks no node.
options:
  inventory:
    description: The nodes of the inventory, each with C(name), C(id), C(links) and C(address).
    type: list
    elements: dict
    required: true
  seen:
    description: What M(cspp.drover.membership_info) found, by node.
    type: dict
    required: true
  leaving:
    description: The nodes that leave the cluster. With any of them nobody joins.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Settle who is a member
  cspp.drover.membership:
    inventory: "{{ groups.nodes | map('extract', hostvars) | cspp.drover.members }}"
    seen: "{{ what_each_node_knows }}"
  register: node_membership
  run_once: true
"""

RETURN = r"""
members:
  description: The members to be, as in O(inventory).
  type: list
  elements: dict
  returned: success
addresses:
  description: Their addresses by name.
  type: dict
  returned: success
host_keys:
  description: The SSH host keys that nodes have on record, by name.
  type: dict
  returned: success
strays:
  description: Those of the members that the inventory does not have.
  type: list
  elements: str
  returned: success
joining:
  description: Those that are no members yet.
  type: list
  elements: str
  returned: success
notes:
  description: What to say of the strays, a sentence each.
  type: list
  elements: str
  returned: success
"""
