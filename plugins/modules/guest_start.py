#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start a guest that stays down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_start
short_description: Start a guest that stays down
version_added: 0.3.0
description:
  - Starts a guest that was shut down from inside (C(on_poweroff) is V(stop)) or stopped by hand, wherever the cluster
    sees fit, and waits until it runs.
  - One that is declared to be stopped is refused, for the declaration would be untrue from then on.
  - Run it on one member.
options:
  guest:
    description: Name of the guest.
    type: str
    required: true
  wait_timeout:
    description: Seconds to wait until it runs.
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
- name: Start the website again
  cspp.drover.guest_start:
    guest: website
  run_once: true
"""

RETURN = r"""
plan:
  description: What the cluster does, a sentence each.
  type: list
  elements: str
  returned: always
node:
  description: The node it runs on; in check mode the one it would.
  type: str
  returned: always
"""

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.verbs.start import start


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
            **start(Pacemaker(), module.params["guest"], timeout=module.params["wait_timeout"], check=module.check_mode)
        )


if __name__ == "__main__":
    main()
