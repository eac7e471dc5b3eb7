#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove fencing devices from a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fence_check
short_description: Ask fencing devices for their status
version_added: 0.1.0
description:
  - Runs the fence agent of every device with the action C(status), all at once, from the node. Switches nothing.
options:
  devices:
    description: The devices.
    type: list
    elements: dict
    required: true
    suboptions:
      node:
        description: The node that the device switches.
        type: str
        required: true
      agent:
        description: The fence agent.
        type: str
        default: fence_ipmilan
      address:
        description: Address of the power controller.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 623
      username:
        description: User name.
        type: str
        default: ""
      password:
        description: Password.
        type: str
        default: ""
      options:
        description: Further parameters of the agent.
        type: dict
        default: {}
  timeout:
    description: Seconds until a device counts as not answering.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode. In check mode an agent that is still to be installed proves nothing.
author: The Drover maintainers (@cspp)
"""

EXAMPLES = r"""
- name: Ask every power controller
  cspp.drover.fence_check:
    devices: [{node: node1, address: 192.0.2.111, username: fence, password: "{{ password }}"}]
"""

RETURN = r"""
results:
  description:
    - For each device C(node), C(works) (null when it could not be tried in check mode) and C(message).
  type: list
  elements: dict
  returned: always
"""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.fencing import FenceDevice

#: "2026-01-31 12:00:00,123 ERROR: ", as fence agents begin a line.
TIME = re.compile(r"^[0-9-]+ [0-9:,]+ [A-Z]+: ")


def ask(device: dict[str, Any], timeout: int) -> dict[str, Any]:
    """One device's answer. Fence agents read their parameters from standard input, where no other user sees them."""
    parameters = {**FenceDevice(**device).parameters, "action": "status"}
    text = "".join(f"{key}={value}\n" for key, value in parameters.items())
    try:
        # 0 says that the node is on, 2 that it is off: both are answers.
        run([device["agent"]], stdin=text, timeout=timeout, ok=(0, 2))
    except CommandError as error:
        message = str(error)
        if error.result is not None:
            said = (error.result.stderr or error.result.stdout).strip().splitlines()
            # Without the time, which would make the same complaint of every node another.
            message = TIME.sub("", said[-1]) if said else f"{device['agent']} exited with {error.result.rc}"
        where = f"{device['address']} port {device['port']}"
        return {"node": device["node"], "works": False, "message": f"{message} ({device['agent']} at {where})"}
    return {"node": device["node"], "works": True, "message": "answers"}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "devices": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "node": {"type": "str", "required": True},
                    "agent": {"type": "str", "default": "fence_ipmilan"},
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "default": 623},
                    "username": {"type": "str", "default": ""},
                    "password": {"type": "str", "default": "", "no_log": True},
                    "options": {"type": "dict", "default": {}},
                },
            },
            "timeout": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    devices = module.params["devices"]
    if module.check_mode:
        missing = {
            device["agent"] for device in devices if not shutil.which(device["agent"], path="/usr/sbin:/usr/bin")
        }
    else:
        missing = set()
    results = [
        {"node": device["node"], "works": None, "message": f"{device['agent']} is not installed yet"}
        for device in devices
        if device["agent"] in missing
    ]
    present = [device for device in devices if device["agent"] not in missing]
    with ThreadPoolExecutor(max_workers=16) as pool:
        results += pool.map(lambda device: ask(device, module.params["timeout"]), present)
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
