#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a node into maintenance, and take it out again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_maintenance
short_description: Put a node into maintenance, and take it out again
version_added: 0.1.0
description:
  - V(on) moves all guests off a node, by one patch of the cluster's configuration, and waits until it is empty.
  - Before anything is touched, the nodes are asked what speaks against it, as for a single move. Each guest goes to the
    best node that nothing speaks against, the largest first.
  - V(off) takes the node back into service, and its guests home to it.
  - The cluster carries it out by itself. Interrupted, this can be run again, and finishes what it began.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  state:
    description: Whether it is to be in maintenance.
    type: str
    choices: ["on", "off"]
    required: true
  force:
    description:
      - Go on although guests would be stopped, because no other node has room for them, or something speaks against
        the move of one, or the cluster would move others as well.
      - Those that are stopped start again when there is room, at the latest when the maintenance ends.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for all of it, until the node is empty, or its guests are home.
    type: int
    default: 1800
extends_documentation_fragment:
  - cspp.drover.job_log
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Tells which guest would go where, and changes nothing.
  diff_mode:
    description: One difference per object of the cluster's configuration.
"""

EXAMPLES = r"""
- name: Empty a node
  cspp.drover.node_maintenance:
    node: node2
    state: "on"
  run_once: true
"""

RETURN = r"""
node:
  description: Name of the node.
  type: str
  returned: success
stopped:
  description: Those of them that run nowhere, as those do with O(force) that no other node has room for.
  type: list
  elements: str
  returned: always
guests:
  description: The guests that were to leave, or to come home.
  type: list
  elements: str
  returned: success
plan:
  description: What the cluster does because of it, as predicted by its own scheduler; or that there is nothing to do.
  type: list
  elements: str
  returned: success
notes:
  description: What the nodes warn of, as lines for a terminal.
  type: list
  elements: str
  returned: success
forecasts:
  description: What the live migrations of VMs that are to leave will take, by guest; measured in check mode alone.
  type: dict
  returned: when O(state=on)
seconds:
  description: How long it took.
  type: float
  returned: success
moves:
  description: The records of these moves in the cluster's journal.
  type: list
  elements: dict
  returned: success
outcomes:
  description: How each guest's move went, on a line.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs.maintain import Maintenance


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 1800},
            "log": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wish = module.params
    log = JobLog(wish["log"])
    how = {"force": wish["force"], "timeout": wish["timeout"], "check": module.check_mode, "log": log}
    run = Maintenance(Pacemaker(saw=log.saw), wish["node"], **how)
    with fail_on_error(module):
        result = run.on() if wish["state"] == "on" else run.off()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
