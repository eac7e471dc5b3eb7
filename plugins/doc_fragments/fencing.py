# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option C(fencing) of modules, see module_utils/cluster/fence_arguments.py."""

from __future__ import annotations


class ModuleDocFragment:
    """A module adds its own description of the option."""

    DOCUMENTATION = r"""
options:
  fencing:
    type: list
    elements: dict
    suboptions:
      node:
        description: The node whose power it cuts.
        type: str
        required: true
      agent:
        description: Fence agent.
        type: str
        default: fence_ipmilan
      address:
        description: Address of the device, a BMC for instance; of C(fence_sbd) the disks, with commas between them.
        type: str
        required: true
      port:
        description: UDP port of the device, or TCP port of one that speaks no IPMI.
        type: int
        default: 623
      username:
        description: User of the device.
        type: str
        default: ""
      password:
        description: Password of that user. Never shown.
        type: str
        default: ""
      level:
        description: A device is asked when those of lower levels have failed. 1 and 2 are power controllers, 3 is SBD.
        type: int
        choices: [1, 2, 3]
        default: 1
        version_added: 0.4.0
      options:
        description: Further parameters of the agent. What looks like a secret by its name is never shown.
        type: dict
        default: {}
"""
