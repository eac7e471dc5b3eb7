#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a lab's network and its way to Debian packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_network
short_description: Keep a lab's bridge, addresses and package cache as wanted
version_added: 0.1.0
description:
  - Makes the bridge with this machine's and the power controllers' addresses on it, starts the package cache of this
    checkout when it is not running, and a forwarder to it from the bridge.
  - With O(nodes=0) all of it is removed; the package cache is stopped with the last lab, its contents are kept.
extends_documentation_fragment:
  - cspp.drover.lab
  - cspp.drover.attributes
  - cspp.drover.attributes.LAB
attributes:
  check_mode:
    description: Returns the same steps, and does none of them.
"""

EXAMPLES = r"""
- name: Keep the lab's network
  cspp.drover.lab_network:
    name: drover
    subnet: 10.213.0.0/24
    cache: /srv/drover/.cache
    nodes: 3
"""

RETURN = r"""
steps:
  description: What was (in check mode would be) done.
  type: list
  elements: str
  returned: always
"""

import ipaddress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import Lab
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import exclusively
from ansible_collections.cspp.drover.plugins.module_utils.lab.network import LabNetwork


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "subnet": {"type": "str", "required": True},
            "cache": {"type": "path", "required": True},
            "nodes": {"type": "int", "required": True},
            "package_port": {"type": "int", "default": 3142},
        },
        supports_check_mode=True,
    )
    params = module.params
    lab = Lab(params["name"], ipaddress.IPv4Network(params["subnet"]), Path(params["cache"]))
    network = LabNetwork(lab, params["package_port"])
    with fail_on_error(module, what=f"The network of lab {lab.name} could not be set up"):
        if module.check_mode:
            steps = network.plan(params["nodes"])
        else:
            with exclusively(lab.lock), exclusively(lab.package_cache_lock):
                steps = network.plan(params["nodes"])
                for step in steps:
                    network.carry_out(step)
    lines = [str(step) for step in steps]
    diff = {"before": "", "after": "".join(f"{line}\n" for line in lines)}
    module.exit_json(changed=bool(steps), steps=lines, diff=diff)


if __name__ == "__main__":
    main()
