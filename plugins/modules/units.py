#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep many systemd units as declared in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: Keep systemd units enabled, running or masked, in one call
version_added: 0.1.0
description:
  - Looks at all units with one C(systemctl show) and changes only what differs.
  - Lets systemd read its unit files again where one of these units was changed since it did.
  - What has to be restarted is told by age, the start of a unit against the last change of what it reads, so that a run
    finishes what an interrupted one began.
options:
  running:
    description: Units to enable at boot and to have running now.
    type: list
    elements: str
    default: []
  enabled:
    description: Units to enable at boot, whether or not they run now.
    type: list
    elements: str
    default: []
  disabled:
    description: Units that are not to start at boot, whether or not they run now. One that is not there is passed over.
    type: list
    elements: str
    default: []
    version_added: 0.4.0
  stopped:
    description:
      - Units to stop and to disable, so that they do not start at boot. One that is not there is passed over, and that
        one has failed is forgotten.
    type: list
    elements: str
    default: []
  masked:
    description: Units to stop and to mask, so that nothing starts them.
    type: list
    elements: str
    default: []
  restarted_if_older:
    description: Units to restart if one of them runs since before the last change of one of these paths.
    type: list
    elements: dict
    default: []
    suboptions:
      units:
        description: Units to stop and then start, all of them together.
        type: list
        elements: str
        required: true
      paths:
        description: Files, links and folders that they read when they start. One that is not there is passed over.
        type: list
        elements: path
        required: true
  restart:
    description: With V(false), RV(outdated) names the units of O(restarted_if_older), and they are left as they are.
      For services that may not be down on all nodes in the same moment, see O(restarted).
    type: bool
    default: true
  changed_paths:
    description: Paths that the run has changed by now, or would have in check mode.
    type: list
    elements: path
    default: []
  restarted:
    description: Units to stop and then start, all of them together.
    type: list
    elements: str
    default: []
  patience:
    description: Seconds to wait before O(restarted) for moves of guests from and to this node, which a restart would
      cut short. When they are over, nothing is restarted, and the task fails and names the moves. With V(0), moves are
      not looked for.
    type: int
    default: 0
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Run the cluster's services
  cspp.drover.units:
    running: [corosync.service, pacemaker.service]
    masked: [libvirt-guests.service]
"""

RETURN = r"""
actions:
  description: The systemctl calls and commands that were (in check mode would be) made.
  type: list
  elements: str
  returned: always
outdated:
  description: Units that run since before the last change of what they read, and are left to be restarted.
  type: list
  elements: str
  returned: always
waiting_for:
  description: With O(patience), the moves of guests for whose sake nothing was restarted, in words.
  type: list
  elements: str
  returned: always
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.moves_under_way import moves_of
from ansible_collections.cspp.drover.plugins.module_utils.host.systemd_units import (
    PROPERTIES,
    Group,
    Unit,
    outdated,
    parse_show,
    plan,
)


def since_boot(moment: float) -> float:
    """A moment of the wall clock on the monotonic one, which nobody sets: as of now."""
    return moment - time.time() + time.monotonic()


def changed_at(path: str) -> float:
    """When a path changed last, itself or what it leads to; long ago when it is not there. Renaming counts."""
    moments = [float("-inf")]
    for look in (os.lstat, os.stat):
        with suppress(OSError):
            moments.append(since_boot(look(path).st_ctime))
    return max(moments)


def declares(unit: str, paths: Sequence[str]) -> bool:
    """Whether one of these files is of the unit's declaration."""
    return any(path.removeprefix("/etc/systemd/system/").startswith((unit, f"{unit}.d/")) for path in paths)


class Node:
    """The units of this node, and the calls that change them."""

    def __init__(self, names: Sequence[str], check: bool, changed: Sequence[str]) -> None:
        self._names, self._check = list(dict.fromkeys(names)), check
        self.calls: list[list[str]] = []
        self.units = self._show()
        if any(
            unit.unread or (check and unit.load == "loaded" and declares(name, changed))
            for name, unit in self.units.items()
        ):
            self.carry_out([["systemctl", "daemon-reload"]])

    def _show(self) -> dict[str, Unit]:
        if not self._names:
            return {}
        return parse_show(self._names, run(["systemctl", "show", "-p", PROPERTIES, "--", *self._names]).stdout)

    def carry_out(self, calls: Sequence[Sequence[str]]) -> None:
        """Make these calls, and look again."""
        self.calls += [list(call) for call in calls]
        if calls and not self._check:
            for call in calls:
                run(list(call), timeout=180)
            self.units = self._show()

    def restart(self, units: Sequence[str]) -> None:
        if units:
            self.carry_out([["systemctl", "stop", *units], ["systemctl", "start", *units]])


def settle(parameters: dict[str, Any], check: bool) -> dict[str, Any]:
    """Make everything true; what the module returns."""
    if parameters["restarted"] and parameters["patience"]:
        waiting = moves_of(node_name())
        if waiting:
            return {"changed": check, "actions": [], "outdated": parameters["restarted"], "waiting_for": waiting}
    wanted = {kind: parameters[kind] for kind in ("running", "enabled", "disabled", "stopped", "masked")}
    groups = [Group(group["units"], group["paths"]) for group in parameters["restarted_if_older"]]
    node = Node(
        [
            *(unit for units in wanted.values() for unit in units),
            *(unit for group in groups for unit in group.units),
        ],
        check,
        parameters["changed_paths"],
    )
    changed = set(parameters["changed_paths"])
    node.carry_out([["systemctl", *call] for call in plan(wanted, node.units)])
    old = outdated(groups, node.units, lambda path: float("inf") if check and path in changed else changed_at(path))
    if parameters["restart"]:
        node.restart(old)
        old = []
    node.restart(parameters["restarted"])
    return {
        "changed": bool(node.calls),
        "actions": [" ".join(call) for call in node.calls],
        "outdated": old,
        "waiting_for": [],
    }


def main() -> None:
    units = {"type": "list", "elements": "str", "default": []}
    paths = {"type": "list", "elements": "path", "required": True}
    group = {"units": {"type": "list", "elements": "str", "required": True}, "paths": paths}
    module = AnsibleModule(
        argument_spec={
            "running": units,
            "enabled": units,
            "disabled": units,
            "stopped": units,
            "masked": units,
            "restarted_if_older": {"type": "list", "elements": "dict", "default": [], "options": group},
            "restart": {"type": "bool", "default": True},
            "changed_paths": {"type": "list", "elements": "path", "default": []},
            "restarted": units,
            "patience": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    with fail_on_error(module, remedy="`journalctl -xe -u UNIT` on the node says more."):
        result = settle(module.params, module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
