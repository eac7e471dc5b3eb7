#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settle on Ceph's keys."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_secrets
short_description: Settle on one set of Ceph's keys
version_added: 0.2.0
description:
  - A key is taken as given, else adopted from a node that holds it, else made new.
  - Writes nothing. The role M(cspp.drover.files) writes the result to the nodes. Run it with C(no_log).
options:
  given:
    description: Secrets the operator supplies, by name (V(fsid), V(mon.), V(client.admin), V(client.drover),
      V(client.drover-alert)).
    type: dict
    default: {}
  found:
    description: What each node holds, by node name, from M(cspp.drover.ceph_node_info).
    type: dict
    default: {}
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Changes nothing in any mode; what it makes new is thrown away unless the caller writes it.
"""

EXAMPLES = r"""
- name: Settle on Ceph's keys
  cspp.drover.ceph_secrets:
    found: {node1: {}, node2: {}}
  no_log: true
"""

RETURN = r"""
secrets:
  description: The value of each secret by name.
  type: dict
  returned: always
created:
  description: Names of the secrets made new.
  type: list
  elements: str
  returned: always
"""

import uuid

from ansible_collections.cspp.drover.plugins.module_utils.ceph import keys
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule


def main() -> None:
    module = QuietModule(
        argument_spec={
            "given": {"type": "dict", "default": {}, "no_log": False},
            "found": {"type": "dict", "default": {}, "no_log": False},
        },
        supports_check_mode=True,
    )
    fresh = {name: str(uuid.uuid4()) if name == "fsid" else keys.new_key() for name in keys.NAMES}
    with fail_on_error(module):
        chosen, created = keys.choose(module.params["given"], module.params["found"], fresh)
    module.exit_json(changed=bool(created), secrets=chosen, created=created)


if __name__ == "__main__":
    main()
