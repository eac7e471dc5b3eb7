#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin guests_plan, which has no part on nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guests_plan
short_description: Judge the guests declared, and plan what every node is to do for them
version_added: 0.2.0
description:
  - Reads the guests that a user declares once for all nodes, and judges them as a whole. Fails with every problem and
    its place in the YAML.
  - Called again with what it returned and what was found out meanwhile, it tells what every other module of role
    C(guests) is told. What was read is handed on, so that nothing of it can change in the course of a play.
  - Runs on the controller and asks no node.
options:
  guests:
    description: The guests as declared. First call.
    type: raw
  cluster:
    description:
      - What they are judged against, with C(nodes) by name, C(images), C(pools), C(default_pool), C(bridges),
        C(ssh_keys), C(nameservers), C(firewall_sets) and C(firewall_groups). First call.
    type: dict
  workers:
    description: The nodes that can be worked on. First call.
    type: list
    elements: str
  managers:
    description: Those of them that can manage the cluster. First call.
    type: list
    elements: str
  declared:
    description: What the first call returned as RV(declared).
    type: dict
  images:
    description: The images as built, by kind and name, as M(cspp.drover.image) returns them. Second call.
    type: dict
  seen:
    description:
      - What M(cspp.drover.local_volumes_info) found on each node, if there was anything to look for. Second call.
    type: dict
    default: {}
  recreate:
    description:
      - Guests whose volumes may be made anew though the cluster knows them; V(true) allows it for all. Second call.
    type: raw
    default: false
  rooms:
    description:
      - By node the sizes of its pools in bytes, by path, as M(cspp.drover.pool_identity) tells them. Second call.
    type: dict
    default: {}
  overcommit:
    description: How many times its size a pool may promise to guests. Second call.
    type: float
    default: 1.0
  may_restart:
    description:
      - Guests that may be restarted; V(true) allows it for all. Containers among them that share their user and group
        ids with others are given a range of their own. Second call.
    type: raw
    default: false
  move_disks:
    description: Guests whose disks may go to other pools; V(true) allows it for all. Second call.
    type: raw
    default: false
    version_added: 0.5.0
  id_area:
    description: Role lxc's C(lxc_id_area), C(start) and C(count) of the ids for containers. Second call.
    type: dict
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Judge the guests
  cspp.drover.guests_plan:
    guests: "{{ guests }}"
    cluster: "{{ what_guests_are_judged_against }}"
    workers: [node1, node2]
    managers: [node2]
  register: judged
  run_once: true

- name: Plan
  cspp.drover.guests_plan:
    declared: "{{ judged.declared }}"
    images: "{{ images_built }}"
  register: planned
  run_once: true
"""

RETURN = r"""
problems:
  description: What is wrong with the guests, each with its path. With any of them the call fails.
  type: list
  elements: str
  returned: first call
worth_knowing:
  description: What is possible, but not what the user may think.
  type: list
  elements: str
  returned: both calls
images:
  description: The images that guests need, each with C(name) and C(kind).
  type: list
  elements: dict
  returned: first call
local:
  description: The guests with volumes on storage of one node's own, for M(cspp.drover.local_volumes_info).
  type: list
  elements: dict
  returned: first call
manager:
  description: The node that is to tell the cluster; empty when there is none.
  type: str
  returned: first call
declared:
  description: All that was read, for the second call.
  type: dict
  returned: first call
source:
  description: The C(commit) of the git checkout that the inventory is in, and whether the inventory is C(dirty). Both
    are None where there is none.
  type: dict
  returned: first call
resources:
  description: Every guest for M(cspp.drover.guests).
  type: list
  elements: dict
  returned: second call
as_they_are:
  description: The same, with the disks that are to be moved where they are now.
  type: list
  elements: dict
  returned: second call
nodes:
  description:
    - By node the C(volumes) that it has to make, those that are there once they were C(moved), and the C(leftovers) to
      remove, all for M(cspp.drover.volumes), and the C(moves) for M(cspp.drover.disk_moves).
  type: dict
  returned: second call
"""
