#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let a node forget the cluster that it has left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: departure
short_description: Let a node forget the cluster that it has left
version_added: 0.4.0
description:
  - Removes the cluster's secrets from the node, its own certificates and keys, corosync's configuration, and
    Pacemaker's copies of the cluster's configuration, which hold the passwords of power controllers.
  - Refuses while corosync or Pacemaker run. Files are unlinked, not overwritten.
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Forget the cluster
  cspp.drover.departure:
"""

RETURN = r"""
removed:
  description: The files that were removed; in check mode those that would be.
  type: list
  elements: str
  returned: always
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.departure import DepartureError, traces
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error

SERVICES = ("corosync.service", "pacemaker.service")


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    with fail_on_error(module, OSError):
        found = traces(Path("/"))
        if not module.check_mode:
            running = run(["systemctl", "is-active", *SERVICES], ok=None).stdout.split()
            if {"active", "activating", "deactivating", "reloading"}.intersection(running):
                raise DepartureError(
                    "corosync or Pacemaker still run on this node, so that it kept its keys",
                    remedy="See `systemctl status corosync pacemaker` on it, and run the same play again.",
                )
            for path in found:
                path.unlink()
            os.sync()
    module.exit_json(changed=bool(found), removed=[str(path) for path in found])


if __name__ == "__main__":
    main()
