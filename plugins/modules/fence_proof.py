#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove a node's fencing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fence_proof
short_description: Prove a node's fencing by fencing it
version_added: 0.4.0
description:
  - Empties a node, has its power cut as if it were lost, switches it on again and takes it back into service.
  - How long it took until the cluster knew that the node was off, goes into the cluster's journal, and status reminds
    of nodes whose last proof is too old.
  - A cluster that is not well, or in which the guests would have no room, is not put to the test.
  - Run it on a member that is another than the node.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  timeout:
    description: Seconds to wait for the guests, each way.
    type: int
    default: 1800
extends_documentation_fragment:
  - cspp.drover.job_log
  - cspp.drover.attributes
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Tells what would be done, and does nothing.
"""

EXAMPLES = r"""
- name: Would it be fenced if it had to be?
  cspp.drover.fence_proof:
    node: node2
"""

RETURN = r"""
node:
  description: Name of the node.
  type: str
  returned: success
plan:
  description: What is done, a line each.
  type: list
  elements: str
  returned: success
outcome:
  description: How it went, on a line; empty in check mode.
  type: str
  returned: success
seconds_to_off:
  description: Seconds from the order until the cluster knew that the node was off. None in check mode.
  type: float
  returned: success
seconds_to_return:
  description: Seconds from the order until the node was a member again. None in check mode.
  type: float
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs.prove import Proof


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 1800},
            "log": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wish = module.params
    log = JobLog(wish["log"])
    how = {"timeout": wish["timeout"], "check": module.check_mode, "log": log}
    with fail_on_error(module):
        result = Proof(Pacemaker(saw=log.saw), wish["node"], node_name(), **how).run()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
