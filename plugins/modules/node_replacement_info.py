#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what speaks against the replacement of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_replacement_info
short_description: Tell what speaks against the replacement of a node
version_added: 0.4.0
description:
  - Asks the cluster whether a machine with an empty disk may take the place of a node. Fails with the reasons and what
    to do about each. Run it on another member.
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
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Ask whether node2 may be replaced
  cspp.drover.node_replacement_info:
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
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.planning.replacement import refusals


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
        live, status = read(cluster.query()), cluster.status()
        found = refusals(wish["node"], live, status, answers=wish["answers"], blank=wish["blank"])
        if found:
            module.fail_json(msg=f"{wish['node']} can't be replaced: {'; '.join(found)}.")
        module.exit_json(changed=False, maintenance=wish["node"] in live.standby())


if __name__ == "__main__":
    main()
