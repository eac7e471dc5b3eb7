#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Declare guests to the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guests
short_description: Declare guests to the cluster
version_added: 0.1.0
description:
  - Brings the cluster's knowledge of its guests to what is wanted, by one atomic patch, and waits until they run.
  - Guests that are not mentioned are left alone. A guest to be removed is stopped first.
  - The change is predicted by the cluster's own scheduler, and refused when it would stop or restart a running
    guest without anybody having asked for that.
  - Run it on one member.
options:
  guests:
    description: The guests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the guest, and id of its resource.
        type: str
        required: true
      state:
        description:
          - Whether it is to be. V(stopped) is known to the cluster, and does not run. V(absent) stops and forgets it.
        type: str
        choices: [present, stopped, absent]
        default: present
      remove_disks:
        description: Whether the disks of an absent guest go as well, which is for M(cspp.drover.volumes) to do.
        type: bool
        default: false
      definition:
        description: What the agents make the guest from. Required unless it is to be absent.
        type: dict
      ha:
        description:
          - V(false) binds the guest to one node. Else a mapping with V(priority); the higher, the sooner it runs
            again when not all can. V(max_restart) and V(max_relocate) say how often it is started again when it fails.
        type: raw
        default: {}
      prefer:
        description: Nodes it had better run on, the best first. A wish that never moves a running guest.
        type: list
        elements: str
        default: []
      apart_from:
        description: Guests not to share a node with, where possible.
        type: list
        elements: str
        default: []
      together_with:
        description: Guests to share a node with, where possible.
        type: list
        elements: str
        default: []
      home:
        description:
          - The node that has made the volumes of a guest on local storage. What the cluster itself knows goes before.
        type: str
  restart_needed:
    description: Guests with changes that only a restart applies, as M(cspp.drover.guest_state_info) found.
    type: list
    elements: str
    default: []
  differing:
    description: Guests that are not what is declared in any way.
    type: list
    elements: str
    default: []
  allow_restart:
    description: Guests that may be restarted for their changes; V(true) allows it for all.
    type: raw
    default: false
  wait_timeout:
    description: Seconds to wait until the guests run, or are gone.
    type: int
    default: 300
  monitor_interval:
    description: Seconds between looks at a guest.
    type: int
    default: 10
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Predicts what the cluster would do, and changes nothing.
"""

EXAMPLES = r"""
- name: Declare the guests
  cspp.drover.guests:
    guests:
      - name: minecraft
        definition: "{{ definitions.minecraft }}"
        ha: {priority: 100}
        prefer: [node1]
        apart_from: [proxy]
      - {name: old, state: absent}
    allow_restart: [minecraft]
  run_once: true
"""

RETURN = r"""
guests:
  description: Each guest with its node, state and predicted actions, and whether a change waits for its restart.
  type: dict
  returned: always
  sample: {minecraft: {node: node1, state: running, actions: [], pending_restart: false}}
objects:
  description: What differed, a phrase per object.
  type: list
  elements: str
  returned: always
actions:
  description: What the cluster does because of it, as predicted by its own scheduler.
  type: list
  elements: dict
  returned: always
plan:
  description: The same as sentences.
  type: list
  elements: str
  returned: always
absent:
  description: The guests that are declared not to be there.
  type: list
  elements: str
  returned: always
kept:
  description: Settings made by hand that were left standing.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.cspp.drover.plugins.module_utils.cluster.guest_specs import specified
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import GuestSpec
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.verbs.declare import Declare

GUEST = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "remove_disks": {"type": "bool", "default": False},
    "definition": {"type": "dict"},
    "ha": {"type": "raw", "default": {}},
    "prefer": {"type": "list", "elements": "str", "default": []},
    "apart_from": {"type": "list", "elements": "str", "default": []},
    "together_with": {"type": "list", "elements": "str", "default": []},
    "home": {"type": "str"},
}


def specification(guest: dict[str, Any], monitor_interval: int = 10) -> GuestSpec:
    """One guest of the arguments. Raises InvalidValue for a priority that isn't a number."""
    ha = guest["ha"]
    if not isinstance(ha, dict):
        ha = {} if ha is None or truth(ha) else None
    if ha is not None:
        limits = {key: number(ha[key]) for key in ("max_restart", "max_relocate") if key in ha}
        ha = {"priority": number(ha.get("priority") or 0), **limits}
    return specified({**guest, "ha": ha}, monitor_interval)


def permitted(value: Any) -> frozenset[str] | bool:
    """The guests that may be restarted: names, or True for all of them."""
    if isinstance(value, list):
        return frozenset(str(name) for name in value)
    return truth(value)


def truth(value: Any) -> bool:
    """What YAML or a person takes for true or false. Raises InvalidValue for anything else."""
    try:
        return bool(boolean(value))
    except TypeError as error:
        raise InvalidValue(str(error)) from error


def number(value: Any) -> int:
    """A whole number. Raises InvalidValue for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(str(error)) from error


def declared(cluster: Pacemaker, params: dict[str, Any]) -> Declare:
    """What was asked, and of which cluster."""
    return Declare(
        cluster,
        [specification(guest, params["monitor_interval"]) for guest in params["guests"]],
        restart_needed=frozenset(params["restart_needed"]),
        differing=frozenset(params["differing"]),
        may_restart=permitted(params["allow_restart"]),
        removed={guest["name"]: guest["remove_disks"] for guest in params["guests"] if guest["state"] == "absent"},
        timeout=params["wait_timeout"],
    )


def main() -> None:
    module = QuietModule(
        argument_spec={
            "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
            "restart_needed": {"type": "list", "elements": "str", "default": []},
            "differing": {"type": "list", "elements": "str", "default": []},
            "allow_restart": {"type": "raw", "default": False},
            "wait_timeout": {"type": "int", "default": 300},
            "monitor_interval": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    for guest in module.params["guests"]:
        if guest["state"] != "absent" and not guest["definition"]:
            module.fail_json(msg=f"guest {guest['name']} has no definition")
    with fail_on_error(module):
        result = declared(Pacemaker(), module.params).run(module.check_mode)
    for doubt in result.pop("doubts"):
        module.warn(doubt)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
