#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a node's daemons out of Ceph's cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_removal
short_description: Take a node's daemons out of Ceph's cluster
version_added: 0.4.0
description:
  - With O(state=empty), refuses when too few monitors, managers, metadata servers or copies would be left, when no
    majority would agree, when the others' OSDs had no room, and when Ceph is not whole or cannot do without the node.
    Then it has Ceph copy what is on the node's OSDs elsewhere, and waits until nothing would be lost with them.
  - With O(state=forgotten), once the daemons have stopped, takes them out of Ceph's maps with their keys.
  - With O(state=replaced), takes out the OSDs of a machine that is lost for good, of whose data there are copies. Those
    that run are of the machine that has taken its place, and stay.
  - Run it on the node of a monitor that stays.
options:
  node:
    description: The node.
    type: str
    required: true
  tasks:
    description: What the node is rid of.
    type: list
    elements: str
    choices: [mon, mgr, mds, osd]
    default: [mon, mgr, mds, osd]
  state:
    description: Which part.
    type: str
    choices: [empty, forgotten, replaced]
    required: true
  timeout:
    description: Seconds to wait until the OSDs are empty.
    type: int
    default: 86400
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: May the OSDs of a node go?
  cspp.drover.ceph_removal:
    node: node4
    tasks: [osd]
    state: empty
  check_mode: true
"""

RETURN = r"""
daemons:
  description: The daemons that Ceph forgot, or is about to.
  type: list
  elements: str
  returned: success
troubles:
  description: What speaks against it, each a code and a sentence.
  type: list
  elements: str
  returned: when it is refused
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.ceph.removal import TASKS, Removal
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

#: Seconds for Ceph to notice that OSDs have stopped.
_STOPS = 60.0


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "tasks": {"type": "list", "elements": "str", "choices": list(TASKS), "default": list(TASKS)},
            "state": {"type": "str", "choices": ["empty", "forgotten", "replaced"], "required": True},
            "timeout": {"type": "int", "default": 86400},
        },
        supports_check_mode=True,
    )
    wish = module.params
    with fail_on_error(module):
        removal = Removal(Ceph(), wish["node"], ["osd"] if wish["state"] == "replaced" else wish["tasks"])
        waits = wish["state"] != "empty" and not module.check_mode
        standing = removal.stopped(timeout=_STOPS) if waits else removal.look()
        if wish["state"] == "replaced":
            standing = removal.lost(standing)
        daemons = removal.forgettable(standing)
        troubles = {
            "empty": removal.troubles,
            "forgotten": removal.unstopped,
            "replaced": removal.replaceable,
        }[wish["state"]](standing)
        # Nothing has stopped in a dry run.
        if troubles and not (module.check_mode and wish["state"] == "forgotten"):
            touched = ", and nothing was touched" if wish["state"] == "empty" else ""
            module.fail_json(
                msg=f"{wish['node']} is not taken out of Ceph{touched}: {'; '.join(troubles)}.",
                troubles=troubles,
            )
        if not module.check_mode and wish["state"] == "empty":
            removal.empty(standing, timeout=wish["timeout"])
        elif not module.check_mode:
            removal.forget(standing)
    module.exit_json(changed=bool(daemons), daemons=daemons)


if __name__ == "__main__":
    main()
