#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node has of SBD."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sbd_info
short_description: What a node has of SBD, its disks, its watchdog and its daemon
version_added: 0.4.0
description:
  - Reads the disks past the node's own memory of them, so that nodes that share one see the same.
  - Asks the kernel about the watchdog without opening it, which would arm it.
options:
  devices:
    description: The shared disks.
    type: list
    elements: path
    default: []
  watchdog:
    description: The watchdog's device, or V(softdog).
    type: str
    default: /dev/watchdog
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Look at the disk
  cspp.drover.sbd_info:
    devices: [/dev/disk/by-id/wwn-0x5000c500a1b2c3d4]
"""

RETURN = r"""
devices:
  description:
    - Each disk in the order of O(devices), with C(fault) when it cannot be read, the SBD C(header) (C(uuid),
      C(watchdog), C(msgwait)), the message in each node's slot (C(slots)), and what else is on it (C(content), empty
      for nothing).
  type: list
  elements: dict
  returned: always
watchdog:
  description: The C(device), whether it is C(present), its C(identity), and whether somebody has it open (C(active)).
  type: dict
  returned: always
running:
  description: Whether sbd runs.
  type: bool
  returned: always
watches:
  description: The UUIDs of the disks that the node's sbd watches.
  type: list
  elements: str
  returned: always
cluster:
  description: Whether corosync runs.
  type: bool
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.sbd import SbdNode


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "devices": {"type": "list", "elements": "path", "default": []},
            "watchdog": {"type": "str", "default": "/dev/watchdog"},
        },
        supports_check_mode=True,
    )
    found = SbdNode(run).look(module.params["devices"], module.params["watchdog"])
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
