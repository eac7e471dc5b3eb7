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
  fencing:
    description: The devices.
    required: true
  passwords:
    description:
      - Passwords of power controllers whose devices have none, by address and port with a space between them. They
        reach C(ipmitool) by its environment.
    type: dict
    default: {}
  timeout:
    description: Seconds until a device counts as not answering.
    type: int
    default: 20
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
  - cspp.drover.fencing
attributes:
  check_mode:
    description: Changes nothing in any mode. In check mode an agent that is still to be installed proves nothing.
"""

EXAMPLES = r"""
- name: Ask every power controller
  cspp.drover.fence_check:
    fencing: [{node: node1, address: 192.0.2.111, username: fence, password: "{{ password }}"}]
"""

RETURN = r"""
results:
  description:
    - For each device C(node), C(works) (null when it could not be tried in check mode) and C(message).
  type: list
  elements: dict
  returned: always
"""

import os
import re
import shutil
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster import fence_arguments
from ansible_collections.cspp.drover.plugins.module_utils.cluster.ipmitool import PASSWORD, place
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.parallel import side_by_side
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule

#: "2026-01-31 12:00:00,123 ERROR: ", as fence agents begin a line.
TIME = re.compile(r"^[0-9-]+ [0-9:,]+ [A-Z]+: ")


def ask(device: dict[str, Any], password: str, timeout: int) -> dict[str, Any]:
    """One device's answer."""
    parameters = dict(fence_arguments.device(device).parameters)
    if password and not os.path.exists(parameters["ipmitool_path"]):
        # A dry run on a node whose Drover is older.
        del parameters["ipmitool_path"]
        parameters["password"] = password
    try:
        fence_arguments.power(device["agent"], parameters, timeout, {PASSWORD: password} if password else None)
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
    module = QuietModule(
        argument_spec={
            "fencing": {"type": "list", "elements": "dict", "required": True, "options": fence_arguments.FENCING},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    devices = module.params["fencing"]
    module.no_log_values.update(fence_arguments.secrets(devices))
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
    passwords, timeout = module.params["passwords"], module.params["timeout"]
    module.no_log_values.update(passwords.values())

    def answer(number: int) -> dict[str, Any]:
        device = present[number]
        return ask(device, passwords.get(place(device["address"], device["port"]), ""), timeout)

    results += side_by_side(answer, range(len(present)), most=16).values()
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
