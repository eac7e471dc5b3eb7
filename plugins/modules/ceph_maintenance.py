#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell Ceph that a node is in maintenance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_maintenance
short_description: Tell Ceph that a node is in maintenance, when it can do without
version_added: 0.2.0
description:
  - With O(state=on), refuses when Ceph is not whole or could not do without the node's OSDs, and then keeps Ceph from
    copying what is on them elsewhere while the node is away (C(noout) for exactly this node).
  - With O(state=off), takes that back.
options:
  node:
    description: The node.
    type: str
    required: true
  state:
    description: Whether it is in maintenance.
    type: str
    choices: ["on", "off"]
    required: true
  force:
    description: Go on although Ceph is not whole.
    type: bool
    default: false
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: May the node be stopped?
  cspp.drover.ceph_maintenance:
    node: node1
    state: "on"
  check_mode: true
"""

RETURN = r"""
troubles:
  description: What speaks against it.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import stopping
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

FLAG = "noout"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    node, on = module.params["node"], module.params["state"] == "on"
    ceph = Ceph()
    troubles: list[str] = []
    with fail_on_error(module):
        told = FLAG in ceph.ask("osd", "dump").get("crush_node_flags", {}).get(node, ())
        if on and not told:
            troubles = stopping(ceph, node)
            if troubles and not module.params["force"]:
                module.fail_json(
                    msg=f"Nothing was touched. Ceph cannot do without {node} now: {'; '.join(troubles)}. Wait until "
                    "it is whole (`ceph health detail`), or go on with -e force=true: disks may stand still then.",
                    troubles=troubles,
                )
        if told != on and not module.check_mode:
            ceph.tell("osd", "set-group" if on else "unset-group", FLAG, node)
    module.exit_json(changed=told != on, troubles=troubles)


if __name__ == "__main__":
    main()
