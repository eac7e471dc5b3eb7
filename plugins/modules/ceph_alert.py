#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have Pacemaker tell of nodes that are lost and of fencing that worked, for Ceph's sake."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_alert
short_description: Have Pacemaker tell Ceph's side of nodes that are lost, and of fencing that worked
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Alert, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

ALERT = Alert("drover-ceph-alert", "/usr/lib/drover/current/bin/ceph-alert", ("fencing", "nodes"))


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    with fail_on_error(module):
        applied = Pacemaker().apply(lambda _cib: Wanted(alerts=(ALERT,)), check=module.check_mode, predict=False)
    module.exit_json(changed=applied.difference.changed)


if __name__ == "__main__":
    main()
