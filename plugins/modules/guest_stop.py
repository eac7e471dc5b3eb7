#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stop a guest until somebody starts it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_stop
short_description: Stop a guest until somebody starts it
version_added: 0.5.0
description:
  - Shuts a guest down and waits until it is down. It stays down, whatever happens to nodes, until somebody starts it
    (M(cspp.drover.guest_start)).
  - One that stays down already keeps the reason that is known for it.
  - Run it on one member.
options:
  guest:
    description: Name of the guest.
    type: str
    required: true
  wait_timeout:
    description: Seconds to wait until it is down.
    type: int
    default: 300
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Predicts what the cluster would do, and changes nothing.
"""

EXAMPLES = r"""
- name: Stop the website
  cspp.drover.guest_stop:
    guest: website
  run_once: true
"""

RETURN = r"""
plan:
  description: What the cluster does, a sentence each.
  type: list
  elements: str
  returned: always
"""

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.verbs.stop import stop


def main() -> None:
    module = QuietModule(
        argument_spec={
            "guest": {"type": "str", "required": True},
            "wait_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    with fail_on_error(module):
        module.exit_json(
            **stop(Pacemaker(), module.params["guest"], timeout=module.params["wait_timeout"], check=module.check_mode)
        )


if __name__ == "__main__":
    main()
