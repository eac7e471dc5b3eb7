#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what a job that moves guests has said, and whether it lives."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job_info
short_description: Tell what a job that moves guests has said, and whether it lives
version_added: 0.3.0
description:
  - A part of M(cspp.drover.guest_migrate) and M(cspp.drover.node_maintenance), whose action plugins look once a second
    at the job that does the work on the node. Reads files, and runs nothing.
options:
  job:
    description: The id of the job, as Ansible has it.
    type: str
    required: true
  log:
    description: The name of the job's log.
    type: str
    required: true
  offset:
    description: Where in the log to go on reading, in bytes.
    type: int
    default: 0
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Look at a job
  cspp.drover.job_info:
    job: j123.456
    log: 0123456789abcdef0123456789abcdef
"""

RETURN = r"""
lives:
  description: Whether a process of the job is there.
  type: bool
  returned: always
lines:
  description: What it has said since O(offset).
  type: list
  elements: str
  returned: always
offset:
  description: Where to go on the next time.
  type: int
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.reporting import job_log


def lives(job: str, proc: Path = Path("/proc")) -> bool:
    """Whether a process was started as this job: nobody else would ever tell that it was killed."""
    # Ansible's wrapper is told the part before the dot; what follows is its own process id.
    name = job.partition(".")[0].encode()
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            if name in path.read_bytes():
                return True
        except OSError:
            continue  # it has ended meanwhile
    return False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "job": {"type": "str", "required": True},
            "log": {"type": "str", "required": True},
            "offset": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    # First: a job that ends meanwhile has said all that it had to say.
    living = lives(module.params["job"])
    with fail_on_error(module):
        lines, offset = job_log.read(module.params["log"], module.params["offset"])
    module.exit_json(changed=False, lives=living, lines=lines, offset=offset)


if __name__ == "__main__":
    main()
