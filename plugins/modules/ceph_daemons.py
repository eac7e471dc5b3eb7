#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep this node's daemons of Ceph."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_daemons
short_description: Keep this node's daemons of Ceph beside its monitor
version_added: 0.2.0
description:
  - Makes a manager, a metadata server and OSDs, and has them run. A device that is not empty is refused.
  - An OSD that is there is left alone, also when its device is no longer declared.
options:
  name:
    description: The node's name, which its daemons have too.
    type: str
    required: true
  tasks:
    description: Of V(mgr), V(mds) and V(osd) those that the node has.
    type: list
    elements: str
    default: []
  devices:
    description: Devices that become OSDs, with C(ceph-volume).
    type: list
    elements: str
    default: []
  file:
    description: Whether the node has an OSD in a file, which is for labs.
    type: bool
    default: false
  keys:
    description: Keys of daemons by entity, from M(cspp.drover.ceph_cluster).
    type: dict
    default: {}
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Keep the daemons
  cspp.drover.ceph_daemons:
    name: node1
    tasks: [mgr, osd]
    devices: [/dev/disk/by-id/nvme-eui.0025]
    keys: "{{ cluster.keys }}"
"""

RETURN = r"""
steps:
  description: What was (in check mode would be) made.
  type: list
  elements: str
  returned: always
"""

from ansible_collections.cspp.drover.plugins.module_utils.ceph.daemons import Node, steps
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule


def main() -> None:
    module = QuietModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "tasks": {"type": "list", "elements": "str", "default": []},
            "devices": {"type": "list", "elements": "str", "default": []},
            "file": {"type": "bool", "default": False},
            "keys": {"type": "dict", "default": {}, "no_log": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    # Ansible's -vvv shows what the module was called with.
    module.no_log_values.update(params["keys"].values())
    node = Node(params["name"])
    with fail_on_error(module, OSError, remedy="`journalctl -u 'ceph*'` on the node says more."):
        found = node.look(params["devices"])
        wanted = steps(params["name"], params["tasks"], params["devices"], params["file"], params["keys"], found)
        refusals = list(node.refusals(wanted))
        if refusals:
            module.fail_json(msg=" ".join(refusals))
        if not module.check_mode:
            for step in wanted:
                node.carry_out(step, params["keys"])
    lines = [str(step) for step in wanted]
    diff = {"before": "", "after": "".join(f"{line}\n" for line in lines)}
    module.exit_json(changed=bool(lines), steps=lines, diff=diff)


if __name__ == "__main__":
    main()
