#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stop this node's daemons of Ceph for good."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_departure
short_description: Stop this node's daemons of Ceph for good, and remove what they keep
version_added: 0.4.0
description:
  - After M(cspp.drover.ceph_removal) has emptied the node. Devices of OSDs are wiped.
options:
  name:
    description: The node's name, which its daemons have too.
    type: str
    required: true
  tasks:
    description: What the node is rid of.
    type: list
    elements: str
    choices: [mon, mgr, mds, osd]
    default: [mon, mgr, mds, osd]
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: The node is a monitor no longer
  cspp.drover.ceph_departure:
    name: node4
    tasks: [mon]
"""

RETURN = r"""
daemons:
  description: The daemons that were (in check mode would be) removed.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.ceph.departure import remove, there
from ansible_collections.cspp.drover.plugins.module_utils.ceph.removal import TASKS
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "tasks": {"type": "list", "elements": "str", "choices": list(TASKS), "default": list(TASKS)},
        },
        supports_check_mode=True,
    )
    with fail_on_error(module, OSError):
        found = there(module.params["name"], module.params["tasks"])
        if not module.check_mode:
            for daemon in found:
                remove(daemon)
    module.exit_json(changed=bool(found), daemons=[str(daemon) for daemon in found])


if __name__ == "__main__":
    main()
