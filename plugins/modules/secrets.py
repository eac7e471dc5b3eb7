#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settle on the cluster's secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets
short_description: Settle on one set of cluster secrets
version_added: 0.1.0
description:
  - A secret is taken as given, else adopted from a member that holds it, else made new.
  - Writes nothing. The role M(cspp.drover.files) writes the result to every member. Run it with C(no_log).
options:
  given:
    description: Secrets the operator supplies, by name (V(corosync.key), V(pacemaker.key), V(console.key), V(ca.key),
      V(ca.crt), V(qemu-ca.key), V(qemu-ca.crt), V(console-ca.key), V(console-ca.crt)).
    type: dict
    default: {}
  found:
    description: What each member holds, by node name, from M(cspp.drover.secrets_info).
    type: dict
    default: {}
  rotate_authority:
    description: Put a new certificate authority in front of the present one, for nodes, for QEMU and for the console.
    type: bool
    default: false
  retire_authority:
    description: Believe the newest certificate authority alone, for nodes, for QEMU and for the console.
    type: bool
    default: false
requirements: [python3-cryptography]
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Changes nothing in any mode; what it makes new is thrown away unless the caller writes it.
"""

EXAMPLES = r"""
- name: Settle on the secrets
  cspp.drover.secrets:
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

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule

try:
    from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
except ImportError:
    pki = None  # type: ignore[assignment]


def main() -> None:
    module = QuietModule(
        argument_spec={
            "given": {"type": "dict", "default": {}, "no_log": False},
            "found": {"type": "dict", "default": {}, "no_log": False},
            "rotate_authority": {"type": "bool", "default": False},
            "retire_authority": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if pki is None:
        module.fail_json(msg=missing_required_lib("cryptography") + " On Debian it is python3-cryptography.")
    with fail_on_error(module):
        chosen, created = pki.choose(module.params["given"], module.params["found"])
    replaced = module.params["rotate_authority"] or module.params["retire_authority"]
    for authority in pki.AUTHORITIES:
        key, certificate = f"{authority}.key", f"{authority}.crt"
        if replaced and module.params["given"].get(key):
            module.fail_json(
                msg="A certificate authority is given (node_secrets_given) and would come back with the next run. "
                f"Take {key} and {certificate} out of what is given: nodes keep theirs, and the play can replace it."
            )
        if module.params["rotate_authority"]:
            chosen[key], chosen[certificate] = pki.rotate((chosen[key], chosen[certificate]), authority)
            created += [key, certificate]
        if module.params["retire_authority"]:
            chosen[certificate] = pki.newest(chosen[certificate])
    module.exit_json(changed=bool(created), secrets=chosen, created=created)


if __name__ == "__main__":
    main()
