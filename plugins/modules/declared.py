#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep on a node what was declared, and from which commit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: declared
short_description: Keep on a node what was declared, and from which commit
version_added: 0.5.0
description:
  - Keeps the declaration that M(cspp.drover.guests) has just carried out, so that the nodes can tell by themselves what
    has drifted from it, and the git commit that it came from.
  - It is a record, as the journal of moves is, and never counts as a change.
options:
  guests:
    description: The guests, as M(cspp.drover.guests) was told of them.
    type: list
    elements: dict
    required: true
  monitor_interval:
    description: Seconds between looks at a guest.
    type: int
    default: 10
  commit:
    description: The commit of the checkout that the inventory is in; None where there is none.
    type: str
  dirty:
    description: Whether the inventory has changes that are not committed.
    type: bool
  tell:
    description: Whether to tell the journal of it, which one node is to do.
    type: bool
    default: false
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Keeps nothing.
"""

EXAMPLES = r"""
- name: Keep what was declared
  cspp.drover.declared:
    guests: "{{ resources }}"
    commit: 3f2c1a9d4e5b60718293a4b5c6d7e8f901234567
    dirty: false
"""

RETURN = r"""
"""

from ansible_collections.cspp.drover.plugins.module_utils.host.guest_arguments import GUEST, specification
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.reporting import drift


def main() -> None:
    module = QuietModule(
        argument_spec={
            "guests": {"type": "list", "elements": "dict", "required": True, "options": GUEST},
            "monitor_interval": {"type": "int", "default": 10},
            "commit": {"type": "str"},
            "dirty": {"type": "bool"},
            "tell": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wish = module.params
    with fail_on_error(module, OSError, what="what was declared cannot be kept on this node"):
        specs = [specification(guest, wish["monitor_interval"]) for guest in wish["guests"]]
        if not module.check_mode:
            drift.keep(specs, {"commit": wish["commit"], "dirty": wish["dirty"]}, tell=wish["tell"])
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
