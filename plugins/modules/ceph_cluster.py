#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep what a Ceph cluster as a whole is to be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_cluster
short_description: Keep keys, pools and file systems of a Ceph cluster
version_added: 0.2.0
description:
  - Lets Drover's clients and the daemons of nodes in, each with no more than it needs, and makes pools and file
    systems. Runs on a monitor's node.
  - Pools and file systems that are no longer declared are left, for their data may be wanted.
options:
  secrets:
    description: Ceph's secrets by name, from M(cspp.drover.ceph_secrets).
    type: dict
    required: true
  tasks:
    description: The nodes of each task (V(mon), V(mgr), V(osd), V(mds)).
    type: dict
    required: true
  rbd:
    description: Pools for disks of virtual machines.
    type: list
    elements: str
    default: []
  cephfs:
    description: File systems for root file systems of containers.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Keep pools and keys
  cspp.drover.ceph_cluster:
    secrets: "{{ settled }}"
    tasks: {mon: [node1], mgr: [node1], osd: [node1], mds: []}
    rbd: [guests]
  no_log: true
"""

RETURN = r"""
steps:
  description: What was (in check mode would be) done.
  type: list
  elements: str
  returned: always
keys:
  description: The keys of the daemons of nodes, by entity; in the dry run of a fresh cluster none.
  type: dict
  returned: always
"""

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.ceph import keys, settings
from ansible_collections.cspp.drover.plugins.module_utils.ceph.commands import Ceph
from ansible_collections.cspp.drover.plugins.module_utils.ceph.monitor import formed
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule


def wanted(params: dict[str, Any]) -> settings.Wanted:
    """What the module's parameters declare."""
    of_clients = keys.clients(params["rbd"], params["cephfs"])
    settled = {name: key for name, key in params["secrets"].items() if name in of_clients}
    return settings.Wanted({**of_clients, **keys.entities(params["tasks"])}, settled, params["rbd"], params["cephfs"])


def main() -> None:
    names = {"type": "list", "elements": "str", "default": []}
    module = QuietModule(
        argument_spec={
            "secrets": {"type": "dict", "required": True, "no_log": False},
            "tasks": {"type": "dict", "required": True},
            "rbd": names,
            "cephfs": names,
        },
        supports_check_mode=True,
    )
    params = module.params
    ceph = Ceph()
    with fail_on_error(module):
        # A dry run of fresh nodes has no cluster to ask.
        there = formed(params["secrets"]["fsid"]) or not module.check_mode
        seen = settings.look(ceph) if there else settings.Seen()
        steps = settings.plan(wanted(params), seen)
        if not module.check_mode:
            for step in steps:
                settings.carry_out(ceph, step)
            seen = settings.look(ceph) if steps else seen
    daemons = keys.entities(params["tasks"])
    lines = [step.text for step in steps]
    module.exit_json(
        changed=bool(steps),
        steps=lines,
        keys={entity: seen.entities[entity]["key"] for entity in daemons if entity in seen.entities},
        diff={"before": "", "after": "".join(f"{line}\n" for line in lines)},
    )


if __name__ == "__main__":
    main()
