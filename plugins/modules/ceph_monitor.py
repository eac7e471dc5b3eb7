#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep this node's monitor of Ceph."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_monitor
short_description: Keep this node's monitor of Ceph, and wait until a majority answers
version_added: 0.2.0
description:
  - Makes the monitor's store where there is none, has the monitor run, and waits until a majority of monitors answers.
  - Where a node has seen the cluster work, a new monitor learns from the majority; when that does not answer, nothing
    is made.
options:
  name:
    description: The monitor's name, its node's.
    type: str
    required: true
  monitors:
    description: The addresses of all monitors, by name.
    type: dict
    required: true
  secrets:
    description: Ceph's secrets by name, from M(cspp.drover.ceph_secrets).
    type: dict
    required: true
  known:
    description: Whether any node has seen the cluster work.
    type: bool
    default: false
  timeout:
    description: Seconds within which a majority has to answer.
    type: int
    default: 60
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Keep the monitor
  cspp.drover.ceph_monitor:
    name: node1
    monitors: {node1: 192.0.2.11, node2: 192.0.2.12, node3: 192.0.2.13}
    secrets: "{{ settled }}"
"""

RETURN = r"""
actions:
  description: What was (in check mode would be) done.
  type: list
  elements: str
  returned: always
"""

from ansible_collections.cspp.drover.plugins.module_utils.ceph import monitor
from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule


def main() -> None:
    module = QuietModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "monitors": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "required": True, "no_log": False},
            "known": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    # Ansible's -vvv shows what the module was called with.
    module.no_log_values.update(value for name, value in module.params["secrets"].items() if name != "fsid")
    name, fsid, check = module.params["name"], module.params["secrets"]["fsid"], module.check_mode
    unit = f"ceph-mon@{name}.service"
    actions = []
    with fail_on_error(module, OSError, remedy=f"`journalctl -u {unit}` on the node says more."):
        if not monitor.there(name):
            actions.append(f"make monitor {name}")
            if not check:
                monitor.make(name, module.params["monitors"], module.params["secrets"], known=module.params["known"])
        if actions or run(["systemctl", "is-active", "--quiet", unit], ok=None).rc != 0:
            actions.append(f"run {unit}")
            if not check:
                run(["systemctl", "reset-failed", unit], ok=None)
                run(["systemctl", "enable", "--quiet", "--now", unit], timeout=90)
        if not monitor.formed(fsid):
            if not check:
                wait_for(
                    Ceph().answers,
                    bool,
                    what="a majority of Ceph's monitors",
                    timeout=module.params["timeout"],
                    interval=0.5,
                )
                monitor.remember_formed(fsid)
            actions.append("see the monitors agree")
    module.exit_json(changed=bool(actions), actions=actions)


if __name__ == "__main__":
    main()
