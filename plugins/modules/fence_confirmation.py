#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Confirm that a lost node is off."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fence_confirmation
short_description: Confirm that a lost node is off, so that its guests start elsewhere
version_added: 0.4.0
description:
  - Tells the cluster that a node which could not be fenced is off, on the word of somebody who has seen that it has no
    power. Its guests then start on other nodes.
  - Before that, every member looks twice for signs of life. They are an answer at any address of the node, a lease of
    a guest that is renewed, a disk that is locked or written to, an image in Ceph that stays open, a power controller
    that says that the node is on. Any of these is a refusal, and so is a member that does not tell what it sees.
  - It is recorded in the cluster's journal.
  - Run it on one member.
options:
  node:
    description: Name of the node.
    type: str
    required: true
extends_documentation_fragment:
  - cspp.drover.job_log
  - cspp.drover.attributes
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Looks for signs of life, and confirms nothing. Members forget the hardware addresses that they
      remember of the node, in order to ask for them anew.
"""

EXAMPLES = r"""
- name: Its plug was pulled
  cspp.drover.fence_confirmation:
    node: node2
  run_once: true
"""

RETURN = r"""
node:
  description: Name of the node.
  type: str
  returned: success
guests:
  description: The guests that waited for it.
  type: list
  elements: str
  returned: success
notes:
  description: What was looked at, and where the guests are then, a line each.
  type: list
  elements: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: success
"""

from collections.abc import Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster import fence_arguments
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Primitive
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.core.parallel import side_by_side
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.peer import signs
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError, ask
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog
from ansible_collections.cspp.drover.plugins.module_utils.verbs.confirm import Confirmation

#: Seconds for a power controller, and for another member.
PATIENCE = 30


class Members:
    """The members' own senses: this node's, and those of the others by their service."""

    def signs(self, node: str, members: Sequence[str]) -> Mapping[str, Sequence[str]]:
        def look(member: str) -> Sequence[str] | None:
            if member == node_name():
                return signs.of_node(node)
            try:
                return list(map(str, ask(member, {"do": "signs", "node": node}, PATIENCE)["signs"]))
            except (PeerError, KeyError, TypeError):
                return None

        told = side_by_side(look, members)
        return {member: seen for member, seen in told.items() if seen is not None}

    def power(self, device: Primitive) -> str | None:
        parameters = {name: value for name, value in device.params.items() if not name.startswith("pcmk_")}
        try:
            return fence_arguments.power(device.type, parameters, PATIENCE)
        except CommandError:
            return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={"node": {"type": "str", "required": True}, "log": {"type": "str"}},
        supports_check_mode=True,
    )
    log = JobLog(module.params["log"])
    how = {"check": module.check_mode, "log": log}
    with fail_on_error(module, OSError):
        result = Confirmation(Pacemaker(saw=log.saw), module.params["node"], node_name(), Members(), **how).run()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
