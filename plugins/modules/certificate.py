#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a node's certificates valid."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Keep a node's TLS certificates valid
version_added: 0.1.0
description:
  - Signs keys and certificates for this node with the cluster's own authorities from C(/etc/drover/secrets), when there
    are none, when another authority signed them, when their names differ, or when they end soon.
  - Private keys are made on the node and never leave it.
  - Nodes go from one authority to another without any of them losing faith in another when each O(step) is done by all
    nodes before any of them does the next. The result RV(settled) tells whether the later ones have nothing to do.
options:
  step:
    description:
      - V(trust) believes who signs from now on, beside everybody who is believed now.
      - V(issue) makes the certificates that have to be made.
      - V(settle) believes nobody else any more, and lets nobody read a key who need not.
    type: str
    choices: [trust, issue, settle]
    required: true
  name:
    description: The node's name.
    type: str
    required: true
  names:
    description: DNS names the certificates are good for.
    type: list
    elements: str
    required: true
  addresses:
    description: IP addresses the certificates are good for.
    type: list
    elements: str
    required: true
  identities:
    description: What the node shows and believes, one for each authority, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      authority:
        description: The authority's name, V(ca), V(qemu-ca) or V(console-ca).
        type: str
        required: true
      bundle:
        description: The file with the authorities that are believed.
        type: path
        required: true
      pairs:
        description: Where the certificate and its key are kept, each in one file.
        type: list
        elements: dict
        required: true
        suboptions:
          certificate:
            description: The certificate's file.
            type: path
            required: true
          key:
            description: The key's file.
            type: path
            required: true
      group:
        description: A group that may read the key; V(root) is root alone.
        type: str
        default: root
      libvirt:
        description: Whether libvirt's daemon shows it, and is to be told when it has read an older one.
        type: bool
        default: false
  days:
    description: Days a certificate is good for. One that is good for longer is replaced.
    type: int
    default: 90
  renew_days:
    description: Renew when fewer days than this are left.
    type: int
    default: 30
requirements: [python3-cryptography]
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells whether certificates would be made, and why.
"""

EXAMPLES = r"""
- name: Keep the node's certificate valid
  cspp.drover.certificate:
    step: issue
    name: node1
    names: [node1]
    addresses: [192.0.2.11]
    identities:
      - authority: ca
        bundle: /etc/drover/pki/ca.crt
        pairs: [{certificate: /etc/drover/pki/node.crt, key: /etc/drover/pki/node.key}]
"""

RETURN = r"""
reasons:
  description: Why new certificates are to be made, by authority; empty when the present ones serve.
  type: dict
  returned: always
settled:
  description: Whether nothing is left to do for this and the later steps.
  type: bool
  returned: always
"""

from contextlib import nullcontext
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.trust.keyfiles import SECRETS

try:
    from ansible_collections.cspp.drover.plugins.module_utils.trust import identity, pki
except ImportError:
    pki = None  # type: ignore[assignment]


def main() -> None:
    pair = {
        "certificate": {"type": "path", "required": True},
        "key": {"type": "path", "required": True, "no_log": False},
    }
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["trust", "issue", "settle"], "required": True},
            "name": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "identities": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "authority": {"type": "str", "required": True},
                    "bundle": {"type": "path", "required": True},
                    "pairs": {"type": "list", "elements": "dict", "required": True, "options": pair},
                    "group": {"type": "str", "default": "root"},
                    "libvirt": {"type": "bool", "default": False},
                },
            },
            "days": {"type": "int", "default": 90},
            "renew_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params = module.params
    authorities = [declared["authority"] for declared in params["identities"]]
    missing = [name for name in authorities if not (SECRETS / f"{name}.key").is_file()]
    if missing and module.check_mode:
        reasons = dict.fromkeys(missing, "the cluster has no such authority yet")
        # On a bare node nobody is believed whom the last step would forget.
        replaces = any(Path(declared["bundle"]).exists() for declared in params["identities"])
        module.exit_json(changed=params["step"] != "settle" or replaces, settled=False, reasons=reasons)
    if missing:
        module.fail_json(msg=f"{SECRETS}/{missing[0]}.key is missing: let the role `node` run first.")
    if pki is None:
        module.fail_json(msg=missing_required_lib("cryptography") + " On Debian it is python3-cryptography.")
    identities = [identity.Identity.declared(SECRETS, declared) for declared in params["identities"]]
    with fail_on_error(module, OSError):
        subject = identity.Subject(
            params["name"], params["names"], params["addresses"], params["days"], params["renew_days"]
        )
        with nullcontext() if module.check_mode else identity.alone():
            result = identity.advance(identities, params["step"], subject, look=module.check_mode)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
