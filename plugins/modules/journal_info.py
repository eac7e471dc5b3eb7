#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the cluster's journal of moves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: journal_info
short_description: Read the cluster's journal of moves
version_added: 0.2.0
description:
  - Tells which guests moved, when, from where to where and how, also those that the cluster moved by itself.
  - Every member keeps the whole journal of the last 10000 moves. Reading it first fetches what this node missed.
options:
  guest:
    description: The guest of which to tell. By default all of them.
    type: str
  limit:
    description: At most so many moves, the last ones.
    type: int
    default: 100
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Changes nothing in any mode, save that the node's copy of the journal is completed.
"""

EXAMPLES = r"""
- name: What moved lately
  cspp.drover.journal_info:
    limit: 20
  run_once: true
  register: journal
"""

RETURN = r"""
moves:
  description:
    - The moves, the newest last. Each has C(id), C(guest), C(kind), C(from), C(to), C(started), C(ended), C(result),
      V(moved) or V(failed), C(reason), C(seconds), C(downtime_ms), C(rounds), C(bytes), C(path), C(policy)
      and C(forwarded), as far as they are known.
  type: list
  elements: dict
  returned: always
table:
  description: The moves as lines for a terminal.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.reporting import moves as report


def main() -> None:
    module = AnsibleModule(
        argument_spec={"guest": {"type": "str"}, "limit": {"type": "int", "default": 100}},
        supports_check_mode=True,
    )
    with fail_on_error(module, OSError, what="the journal on this node can't be read or completed"):
        moves = book.read(module.params["guest"] or None, module.params["limit"])
    module.exit_json(changed=False, moves=moves, table=report.table(moves))


if __name__ == "__main__":
    main()
