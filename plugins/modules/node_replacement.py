#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the cluster ready for the replacement of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_replacement
short_description: Make the cluster ready for the replacement of a node
version_added: 0.4.0
description:
  - Asks the cluster whether a machine with an empty disk may take the place of a node. Fails with the reasons and what
    to do about each. Then has the cluster forget the pools that were on the old disk.
  - Run it on another member, before the machine becomes one.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  answers:
    description: Whether the machine that is there now answers.
    type: bool
    required: true
  blank:
    description: Whether it knows of no cluster.
    type: bool
    required: true
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Have the cluster ready for another node2
  cspp.drover.node_replacement:
    node: node2
    answers: true
    blank: true
"""

RETURN = r"""
maintenance:
  description: Whether the node was in maintenance, and will be again.
  type: bool
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.planning.replacement import forget, refusals


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "answers": {"type": "bool", "required": True},
            "blank": {"type": "bool", "required": True},
        },
        supports_check_mode=True,
    )
    wish, cluster = module.params, Pacemaker()
    with fail_on_error(module):
        cib, status = cluster.query(), cluster.status()
        found = refusals(wish["node"], read(cib), status, answers=wish["answers"], blank=wish["blank"])
        if found:
            module.fail_json(msg=f"{wish['node']} can't be replaced: {'; '.join(found)}.")

        def plan(cib: str) -> Wanted:
            return forget(wish["node"], status, blank=wish["blank"])

        changed = cluster.apply(plan, check=module.check_mode, live=cib, predict=False).difference
        maintenance = wish["node"] in read(cib).standby()
        module.exit_json(changed=changed.changed, diff=changed.diff(), maintenance=maintenance)


if __name__ == "__main__":
    main()
