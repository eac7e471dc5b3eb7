#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Ceph is whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_health_info
short_description: Whether Ceph is whole, and wait until it is
version_added: 0.2.0
description:
  - Looks at monitors, OSDs, placement groups, manager and metadata servers, for Ceph's own health is green before any
    OSD is up.
options:
  osds:
    description: How many OSDs are declared.
    type: int
    default: 0
  monitors:
    description: How many monitors are declared.
    type: int
    default: 0
  cephfs:
    description: File systems that are declared.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait until it is whole. When they are over, RV(troubles) says what is not.
    type: int
    default: 0
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Wait until Ceph is whole
  cspp.drover.ceph_health_info:
    osds: 3
    monitors: 3
    timeout: 120
"""

RETURN = r"""
whole:
  description: Whether every copy of everything is there, and every daemon at work.
  type: bool
  returned: always
status:
  description: Ceph's own word for its health.
  type: str
  returned: always
troubles:
  description: What is not as it should be, each a code and a sentence.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import Health, judge, look
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import or_last, wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "osds": {"type": "int", "default": 0},
            "monitors": {"type": "int", "default": 0},
            "cephfs": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params

    def now() -> Health:
        return judge(look(Ceph()), osds=params["osds"], monitors=params["monitors"], cephfs=params["cephfs"])

    with fail_on_error(module):
        how = {"what": "a whole Ceph", "timeout": params["timeout"], "interval": 1}
        health = or_last(lambda: wait_for(now, lambda seen: seen.whole, **how))
    module.exit_json(changed=False, whole=health.whole, status=health.status, troubles=list(health.troubles))


if __name__ == "__main__":
    main()
