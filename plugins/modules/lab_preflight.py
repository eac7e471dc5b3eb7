#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say whether this machine can carry a lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_preflight
short_description: Find everything that stands in a lab's way on this machine
version_added: 0.1.0
description:
  - Looks, and changes nothing. Each problem comes with its remedy.
  - With O(state=absent) only what prevents a removal is a problem.
options:
  state:
    description: What the lab is to be.
    type: str
    choices: [present, absent]
    default: present
  bmc_port:
    description: UDP port of the nodes' power controllers.
    type: int
    default: 623
  packages:
    description: Debian packages the lab needs on this machine.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - cspp.drover.lab
  - cspp.drover.attributes
  - cspp.drover.attributes.LAB
attributes:
  check_mode:
    description: Returns the same steps, and does none of them.
"""

EXAMPLES = r"""
- name: Find what stands in the lab's way
  cspp.drover.lab_preflight:
    name: drover
    subnet: 10.213.0.0/24
    cache: /srv/drover/.cache
    nodes: 3
"""

RETURN = r"""
problems:
  description: What stands in the way, each with its remedy.
  type: list
  elements: str
  returned: always
package_cache_address:
  description: The loopback address at which the package cache listens.
  type: str
  returned: when the parameters are valid
package_proxy:
  description: The URL at which nodes reach the package cache.
  type: str
  returned: when the parameters are valid
missing_packages:
  description: Those of O(packages) that are not installed.
  type: list
  elements: str
  returned: always
"""

import ipaddress
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.lab import preflight
from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import Lab, parameter_problems


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "subnet": {"type": "str", "required": True},
            "cache": {"type": "path", "required": True},
            "nodes": {"type": "int", "required": True},
            "package_port": {"type": "int", "default": 3142},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "bmc_port": {"type": "int", "default": 623},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    nodes, port = params["nodes"], params["package_port"]
    result: dict[str, object] = {}
    with fail_on_error(module, what="This machine can't be examined"):
        result["missing_packages"] = preflight.missing_packages(params["packages"])
        problems = parameter_problems(params["name"], params["subnet"], nodes)
        if not problems:
            lab = Lab(params["name"], ipaddress.IPv4Network(params["subnet"]), Path(params["cache"]))
            result["package_cache_address"] = lab.package_cache_address
            result["package_proxy"] = f"http://{lab.gateway}:{port}"
            if params["state"] == "present":
                survey = preflight.take_survey(lab, nodes, port, params["bmc_port"])
                problems = preflight.problems(lab, nodes, survey)
            elif os.geteuid() != 0:
                problems.append("This is not root, who alone can remove a lab. Run it as root (sudo -E).")
    module.exit_json(changed=False, problems=problems, **result)


if __name__ == "__main__":
    main()
