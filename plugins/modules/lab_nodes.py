#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a lab's nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_nodes
short_description: Keep a lab's nodes, as many as wanted, each powered on and ready
version_added: 0.1.0
description:
  - Makes nodes that are missing, removes those that are too many or half made, starts their power controllers (BMCs),
    has those power the nodes on, and waits until systemd has started everything and SSH answers.
  - With O(nodes=0) everything of them is removed.
options:
  base:
    description: The directory with the base system all nodes start from.
    type: path
  bmc_port:
    description: UDP port of the nodes' power controllers.
    type: int
    default: 623
  behaviours:
    description:
      - How power controllers take orders, by node. V(prompt), the default, does what it is told at once.
      - V(slow) accepts an order and carries it out two seconds later, V(silent) answers nobody, V(lying) accepts an
        order and does not carry it out.
    type: dict
    default: {}
    version_added: 0.4.0
  devices:
    description: Devices that nodes get when this machine has them.
    type: list
    elements: path
    default: []
  plugins:
    description: This collection's C(plugins) directory, from which power controllers are started.
    type: path
    required: true
  timeout:
    description: Seconds within which nodes must be ready.
    type: int
    default: 120
extends_documentation_fragment:
  - cspp.drover.lab
  - cspp.drover.attributes
  - cspp.drover.attributes.LAB
attributes:
  check_mode:
    description: Returns the same steps, and does none of them.
"""

EXAMPLES = r"""
- name: Keep three nodes
  cspp.drover.lab_nodes:
    name: drover
    subnet: 10.213.0.0/24
    cache: /srv/drover/.cache
    nodes: 3
    base: /srv/drover/.cache/lab-cache/base-0123456789ab
    plugins: /srv/drover/plugins
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
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import Behaviour
from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import Lab
from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import exclusively
from ansible_collections.cspp.drover.plugins.module_utils.lab.nodes import LabNodes, NodeSettings


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "subnet": {"type": "str", "required": True},
            "cache": {"type": "path", "required": True},
            "nodes": {"type": "int", "required": True},
            "package_port": {"type": "int", "default": 3142},
            "base": {"type": "path"},
            "bmc_port": {"type": "int", "default": 623},
            "behaviours": {"type": "dict", "default": {}},
            "devices": {"type": "list", "elements": "path", "default": []},
            "plugins": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    params = module.params
    strange = sorted(set(params["behaviours"].values()) - set(Behaviour))
    if strange:
        module.fail_json(
            msg=f"A power controller cannot be {' or '.join(map(repr, strange))}: it is one of {', '.join(Behaviour)}."
        )
    lab = Lab(params["name"], ipaddress.IPv4Network(params["subnet"]), Path(params["cache"]))
    settings = NodeSettings(
        base=params["base"] or "",
        package_proxy=f"http://{lab.gateway}:{params['package_port']}",
        bmc_port=params["bmc_port"],
        devices=params["devices"],
        plugins=params["plugins"],
        behaviours=params["behaviours"],
    )
    nodes = LabNodes(lab, settings)
    with fail_on_error(module):
        if module.check_mode:
            steps = nodes.plan(params["nodes"])
        else:
            with exclusively(lab.lock):
                steps = nodes.plan(params["nodes"])
                warnings = nodes.carry_out(steps, params["nodes"], params["timeout"])
            for warning in warnings:
                module.warn(warning)
    lines = [str(step) for step in steps]
    diff = {"before": "", "after": "".join(f"{line}\n" for line in lines)}
    module.exit_json(changed=bool(steps), steps=lines, diff=diff)


if __name__ == "__main__":
    main()
