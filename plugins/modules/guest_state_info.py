#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on this node, and how it differs from its definition."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_state_info
short_description: Compare the guests that run on a node with their definitions
version_added: 0.1.0
description:
  - Looks at the running guests themselves, under libvirt and LXC, not at what the cluster believes of them.
  - Tells what changes a guest's definition asks for, and which of them need a restart.
options:
  guests:
    description:
      - The guests to look for, each with C(name) and C(definition) (see module_utils/guest/definition.py). Other keys
        are ignored, so that the list for M(cspp.drover.guests) can be given. Guests without a definition are not
        looked for.
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.CLUSTER
"""

EXAMPLES = r"""
- name: Compare running guests with their definitions
  cspp.drover.guest_state_info:
    guests: "{{ wanted_guests }}"
  register: node_guests
"""

RETURN = r"""
guests:
  description:
    - The guests that run on this node, by name. C(state) is libvirt's or LXC's in small letters. C(changes) is
      what differs, each with C(path), C(before), C(after) and C(how) (C(live) or C(restart)).
  type: dict
  returned: always
  sample:
    minecraft:
      kind: vm
      state: running
      changes:
        - {path: memory, before: 1GiB, after: 2GiB, how: live}
"""

from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import read
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.guest_state import running


def main() -> None:
    module = QuietModule(
        argument_spec={"guests": {"type": "list", "elements": "dict", "required": True}}, supports_check_mode=True
    )
    what, remedy = "Cannot look at this node's guests", "Run site.yml for this node."
    with fail_on_error(module, ImportError, what=what, remedy=remedy):
        definitions = [guest["definition"] for guest in module.params["guests"] if guest.get("definition")]
        module.exit_json(changed=False, guests=running(read(definition).definition for definition in definitions))


if __name__ == "__main__":
    main()
