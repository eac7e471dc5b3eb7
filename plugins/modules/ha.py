#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pause high availability, and make it active again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha
short_description: Pause high availability, and make it active again
version_added: 0.3.0
description:
  - While it is paused, guests run on where they are, also on nodes that lose sight of each other. Nothing is started,
    moved or watched, and no node that is lost is fenced.
  - It is refused to pause while a node is lost that is being fenced, and to make it active while nodes are away, unless
    O(fence) says that they may lose their power.
  - Run it on one member.
options:
  state:
    description: Which of the two.
    type: str
    choices: [active, paused]
    required: true
  fence:
    description: Whether nodes that are away may be fenced when it becomes active.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for every guest's place when it becomes active.
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
- name: Let the network be worked on
  cspp.drover.ha:
    state: paused
  run_once: true
"""

RETURN = r"""
words:
  description: What came of it, and of what had happened while it was paused, a sentence each.
  type: list
  elements: str
  returned: always
"""

import time

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.verbs.pause import activate, pause


def main() -> None:
    module = QuietModule(
        argument_spec={
            "state": {"type": "str", "choices": ["active", "paused"], "required": True},
            "fence": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    asked, check = module.params, module.check_mode
    with fail_on_error(module):
        if asked["state"] == "paused":
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            module.exit_json(**pause(Pacemaker(), now=now, check=check))
        module.exit_json(**activate(Pacemaker(), fence=asked["fence"], timeout=asked["wait_timeout"], check=check))


if __name__ == "__main__":
    main()
