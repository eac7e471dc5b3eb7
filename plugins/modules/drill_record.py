#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a drill on record in the cluster's journal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_record
short_description: Put a drill on record in the cluster's journal
version_added: 0.5.0
description:
  - Writes down what a drill (M(cspp.drover.drill)) came to, so that metrics and the console can tell when each was done
    last, and when guests answered again.
  - It is a record, as the journal of moves is, and never counts as a change.
options:
  outcome:
    description: The C(outcome) of the drill.
    type: dict
    required: true
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Writes nothing down.
"""

EXAMPLES = r"""
- name: Put it on record
  cspp.drover.drill_record:
    outcome: "{{ drill.outcome }}"
"""

RETURN = r"""
"""

import uuid
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.journal import book


def entry(outcome: Mapping[str, Any]) -> book.Entry:
    """The record of a drill. Raises KeyError, TypeError and ValueError for what is no outcome."""
    guests = {str(guest["name"]): guest for guest in outcome["guests"]}
    began = float(outcome["when"])
    wrong = [str(one) for one in outcome["wrong"]]
    return {
        "id": uuid.uuid4().hex,
        "kind": "drill",
        "node": node_name(),
        "started": book.stamp(began),
        "ended": book.stamp(began + float(outcome["seconds"])),
        "result": "wrong" if wrong else "well",
        "reason": "; ".join(wrong) or f"drill {outcome['drill']} ({outcome['variant']}): all as it should be",
        "drill": outcome["drill"],
        "variant": outcome["variant"],
        "struck": outcome["node"],
        "answered": {name: one["answered"] for name, one in guests.items() if one.get("answered") is not None},
    }


def main() -> None:
    module = AnsibleModule(argument_spec={"outcome": {"type": "dict", "required": True}}, supports_check_mode=True)
    with fail_on_error(module, KeyError, TypeError, ValueError, what="this is no outcome of a drill"):
        record = entry(module.params["outcome"])
    if not module.check_mode:
        book.record(record)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
