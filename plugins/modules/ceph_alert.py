#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have Pacemaker tell of fencing that worked, for Ceph's sake."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_alert
short_description: Have Pacemaker tell Ceph's side of fencing that worked
version_added: 0.2.0
description:
  - Keeps an alert in the cluster's configuration. Other alerts are left alone.
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Have Pacemaker tell of fencing
  cspp.drover.ceph_alert:
"""

RETURN = r"""
"""

from xml.etree import ElementTree as ET

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

ALERT = (
    '<alert id="ceph-drover-alert" path="/usr/lib/drover/current/bin/ceph-alert">'
    "<select><select_fencing/></select></alert>"
)
_MISSING = 105


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    with fail_on_error(module):
        asked = ["cibadmin", "--query", "--xpath", "//alerts/alert[@id='ceph-drover-alert']"]
        found = run(asked, ok=(0, _MISSING)).stdout
        changed = not found.strip() or ET.canonicalize(found, strip_text=True) != ET.canonicalize(ALERT)
        if changed and not module.check_mode:
            run(["cibadmin", "--modify", "--allow-create", "--scope", "alerts", "--xml-text", ALERT])
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
