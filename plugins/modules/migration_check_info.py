#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell which guests can move to which nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_check_info
short_description: Tell which guests can move to which nodes
version_added: 0.2.0
description:
  - Finds everything that speaks against moves, with reason codes and remedies, and touches nothing.
  - All nodes are asked at the same time. One that does not answer costs a few seconds, and is a finding itself.
  - Run it on one member.
options:
  guest:
    description: Name of the guest. By default all guests.
    type: str
  to:
    description: The node it would move to. By default all nodes.
    type: str
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: See whether a guest could move to a node
  cspp.drover.migration_check_info:
    guest: minecraft
    to: node2
  register: preflight
  run_once: true
"""

RETURN = r"""
checks:
  description: An answer for each guest and each node that it is not on.
  type: list
  elements: dict
  returned: success
  contains:
    guest:
      description: Name of the guest.
      type: str
    from:
      description: The node on which it is; null for one that cannot move.
      type: str
    to:
      description: The node to which it would move.
      type: str
    possible:
      description: Whether nothing blocks the move.
      type: bool
    findings:
      description:
        - What speaks against it, each with C(code), C(severity) (V(blocks) or V(warns)), C(message) and C(remedy).
      type: list
      elements: dict
summary:
  description: The answers as lines for a terminal.
  type: list
  elements: str
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.unconfirmed import unconfirmed
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.preflight import checks
from ansible_collections.cspp.drover.plugins.module_utils.preflight.cluster_checks import ClusterChecks
from ansible_collections.cspp.drover.plugins.module_utils.preflight.inquiry import preflight


def answer(cluster: Pacemaker, guest: str | None, to: str | None) -> dict[str, Any]:
    """Whether each of the guests could go to each of the nodes. Raises ClusterError."""
    live, status = read(cluster.query()), cluster.status()
    guests = [guest] if guest else sorted(live.guests())
    nodes = [to] if to else sorted(node.name for node in status.nodes)
    found = preflight(guests, nodes, ClusterChecks(live, status))
    lost = [f"! {one}" for one in unconfirmed(status)]
    return {"checks": [one.as_dict() for one in found.checks], "summary": [*lost, *checks.summary(found.checks, nodes)]}


def main() -> None:
    module = AnsibleModule(argument_spec={"guest": {"type": "str"}, "to": {"type": "str"}}, supports_check_mode=True)
    with fail_on_error(module):
        result = answer(Pacemaker(), module.params["guest"] or None, module.params["to"] or None)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
