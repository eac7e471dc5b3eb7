#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a node out of the cluster, as far as Pacemaker is concerned."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removal
short_description: Take a node out of the cluster, as far as Pacemaker is concerned
version_added: 0.4.0
description:
  - Before the node stops, V(empty) moves its guests away, as maintenance does. Refuses when they do not fit elsewhere,
    when data of a guest would be lost, and when the others would have no quorum. A node that is no running member and
    does not answer has its power cut, and is refused where that cannot be proven.
  - When the node has stopped and corosync does not list it any more, V(forgotten) takes it out of the configuration,
    with its fencing device and all that binds guests to it.
  - Run it on another member.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  state:
    description: Which part.
    type: str
    choices: [empty, forgotten]
    required: true
  answering:
    description: The names of all nodes that the controller reaches.
    type: list
    elements: str
    required: true
  node_is_off:
    description: Somebody has seen that the node has no power, where its power controller cannot tell. The cluster has
      to have been told so as well (C(playbooks/fencing.yml -e confirm=NODE)).
    type: bool
    default: false
  timeout:
    description: Seconds to wait until the node is empty.
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
- name: Empty a node that is to leave
  cspp.drover.node_removal:
    node: node2
    state: empty
    answering: [node1, node2, node3]
  run_once: true
"""

RETURN = r"""
node:
  description: Name of the node.
  type: str
  returned: success
guests:
  description: The guests that left.
  type: list
  elements: str
  returned: success
plan:
  description: What the cluster does because of it, as predicted by its own scheduler.
  type: list
  elements: str
  returned: success
notes:
  description: What the nodes warn of, as lines for a terminal.
  type: list
  elements: str
  returned: success
outcomes:
  description: How each guest's move went, on a line.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.corosync import from_cmap, members
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.planning.removal import Standing
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs.remove import Removal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["empty", "forgotten"], "required": True},
            "answering": {"type": "list", "elements": "str", "required": True},
            "node_is_off": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 1800},
            "log": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wish = module.params
    log = JobLog(wish["log"])
    with fail_on_error(module):
        listed = [member["name"] for member in members(from_cmap(run(["corosync-cmapctl"], timeout=20).stdout))]
        removal = Removal(
            Pacemaker(saw=log.saw),
            Standing(wish["node"], listed, wish["answering"]),
            confirmed=wish["node_is_off"],
            timeout=wish["timeout"],
            check=module.check_mode,
            log=log,
        )
        result = removal.empty() if wish["state"] == "empty" else removal.forget()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
