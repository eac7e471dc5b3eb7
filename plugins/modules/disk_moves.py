#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring the disks of VMs to other pools."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_moves
short_description: Bring the disks of VMs to other pools
version_added: 0.5.0
description:
  - Copies disks to the pools that their VMs are declared to have them in, and has the VMs and the cluster go on with
    the copies. A VM that runs goes on running; one that does not is kept from starting meanwhile.
  - The old volume is the true one until the copy holds everything and the cluster names it, and is removed after that.
  - What an interrupted run has begun is carried on. It is taken back when the disk is declared to be where it was.
  - Run it on the node that a VM runs on; for one that does not run, on a node that has both pools.
options:
  guests:
    description: The VMs.
    type: list
    elements: dict
    required: true
    suboptions:
      definition:
        description: What the VM is to be, with the disks where they are to be.
        type: dict
        required: true
      move:
        description: Whether a move may be begun or carried on. To finish or to take back needs no leave.
        type: bool
        default: false
extends_documentation_fragment:
  - cspp.drover.job_log
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells what would be moved, refuses what cannot be, and changes nothing.
"""

EXAMPLES = r"""
- name: Move disks
  cspp.drover.disk_moves:
    guests:
      - {definition: "{{ definitions.minecraft }}", move: true}
"""

RETURN = r"""
plan:
  description: What was, or would be, done, a line per disk.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs.move_disks import DiskMoves

GUEST = {
    "definition": {"type": "dict", "required": True},
    "move": {"type": "bool", "default": False},
}


def main() -> None:
    module = QuietModule(
        argument_spec={
            "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
            "log": {"type": "str"},
        },
        supports_check_mode=True,
    )
    log = JobLog(module.params["log"])
    plan: list[str] = []
    changed = False
    with fail_on_error(module, OSError, remedy="What was finished stays; run the play again once this is put right."):
        moves = [
            DiskMoves(Pacemaker(), guest["definition"], asked=guest["move"], say=log.say)
            for guest in module.params["guests"]
        ]
        # Nothing of any is begun before all have been judged.
        judged = [move.run(check=True) for move in moves]
        log.say(*(line for one in judged for line in one["plan"]))
        done = judged if module.check_mode else [move.run(check=False) for move in moves]
        for result in done:
            changed = changed or result["changed"]
            plan += result["plan"]
    module.exit_json(changed=changed, plan=plan)


if __name__ == "__main__":
    main()
