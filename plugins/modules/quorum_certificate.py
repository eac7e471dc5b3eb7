#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates between a quorum device and the nodes of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quorum_certificate
short_description: Keep the certificates between a quorum device and the nodes of a cluster
version_added: 0.5.0
description:
  - Makes the authority of a corosync-qnetd, and a certificate by it for each node's corosync-qdevice. A node's key is
    made on the node and never leaves it.
  - Nothing changes for a node that has a certificate by this authority for this cluster.
options:
  step:
    description:
      - V(authority) on the device's host makes the authority, if there is none.
      - V(request) on a node makes a new key and a request, if it needs one.
      - V(sign) on the device's host signs a request.
      - V(take) on the node takes the certificate.
      - V(forget) on a node removes all of it.
    type: str
    choices: [authority, request, sign, take, forget]
    required: true
  authority:
    description: The authority's certificate, as V(authority) has told it. For V(request) and V(take).
    type: str
  cluster:
    description: Name of the cluster. For V(request), V(sign) and V(take).
    type: str
  request:
    description: What a node asks for, in base64. For V(sign).
    type: str
  certificate:
    description: What was signed, in base64. For V(take).
    type: str
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: The authority of the quorum device
  cspp.drover.quorum_certificate:
    step: authority
  delegate_to: tiebreaker
  run_once: true
"""

RETURN = r"""
authority:
  description: The authority's certificate; empty where a dry run would make it.
  type: str
  returned: with O(step=authority)
request:
  description: The request, in base64; empty when the node needs none.
  type: str
  returned: with O(step=request)
certificate:
  description: The certificate, in base64.
  type: str
  returned: with O(step=sign)
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quorum_certificate import NodeSide, ServerSide


def carry_out(wish: dict[str, Any], node: NodeSide, server: ServerSide, *, check: bool) -> dict[str, Any]:
    """What one step came to."""
    step, authority, cluster = wish["step"], wish["authority"] or "", wish["cluster"] or ""
    if step == "authority":
        missing = not server.there
        if missing and not check:
            server.make()
        return {"changed": missing, "authority": "" if missing and check else server.authority()}
    if step == "request":
        # In a dry run there may be no authority yet.
        needed = not authority or not node.has(authority, cluster)
        return {"changed": needed, "request": node.request(authority, cluster) if needed and not check else ""}
    if step == "sign":
        return {"changed": True, "certificate": "" if check else server.sign(wish["request"], cluster)}
    if step == "take":
        if not check:
            node.take(wish["certificate"], authority, cluster)
        return {"changed": True}
    there = node.there
    if there and not check:
        node.forget()
    return {"changed": there}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["authority", "request", "sign", "take", "forget"], "required": True},
            "authority": {"type": "str"},
            "cluster": {"type": "str"},
            "request": {"type": "str"},
            "certificate": {"type": "str"},
        },
        required_if=[
            ("step", "request", ["cluster"]),
            ("step", "sign", ["request", "cluster"]),
            ("step", "take", ["certificate", "authority", "cluster"]),
        ],
        supports_check_mode=True,
    )
    with fail_on_error(module, OSError):
        result = carry_out(module.params, NodeSide(run), ServerSide(run), check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
