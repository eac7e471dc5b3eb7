#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a node's certificate valid."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Keep a node's TLS certificate valid
version_added: 0.1.0
description:
  - Signs a key and certificate for this node with the cluster's own authority from C(/etc/drover/secrets), when there
    is none, when it was signed by another authority, when its names differ, or when it ends soon.
  - The private key is made on the node and never leaves it.
options:
  name:
    description: The node's name.
    type: str
    required: true
  names:
    description: DNS names the certificate is good for.
    type: list
    elements: str
    required: true
  addresses:
    description: IP addresses the certificate is good for.
    type: list
    elements: str
    required: true
  folder:
    description: Where C(node.key), C(node.crt) and C(ca.crt) are kept.
    type: path
    default: /etc/drover/pki
  group:
    description: A group that may read the private key.
    type: str
    default: root
  days:
    description: Days a new certificate is good for.
    type: int
    default: 825
  renew_days:
    description: Renew when fewer days than this are left.
    type: int
    default: 90
  trust_only:
    description: Only tell the node which authorities to believe, and leave its certificate as it is.
    type: bool
    default: false
requirements: [python3-cryptography]
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells whether a certificate would be made, and why.
"""

EXAMPLES = r"""
- name: Keep the node's certificate valid
  cspp.drover.certificate:
    name: node1
    names: [node1]
    addresses: [192.0.2.11]
    group: libvirt-qemu
"""

RETURN = r"""
reason:
  description: Why a new certificate was (in check mode would be) made; empty when the present one serves.
  type: str
  returned: always
"""

import grp
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible_collections.cspp.drover.plugins.module_utils import trust
except ImportError:
    trust = None  # type: ignore[assignment]

SECRETS = Path("/etc/drover/secrets")


def put(path: Path, text: str, mode: int, gid: int) -> None:
    """Replace ``path`` in one step."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        os.fchown(file.fileno(), 0, gid)
        os.fchmod(file.fileno(), mode)
    draft.replace(path)


def text(path: Path) -> str:
    """The file's text, empty when there is none."""
    return path.read_text() if path.is_file() else ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "path", "default": "/etc/drover/pki"},
            "group": {"type": "str", "default": "root"},
            "days": {"type": "int", "default": 825},
            "renew_days": {"type": "int", "default": 90},
            "trust_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    folder = Path(params["folder"])
    key, certificate, bundle = folder / "node.key", folder / "node.crt", folder / "ca.crt"
    if not (SECRETS / "ca.key").is_file():
        if module.check_mode:
            module.exit_json(changed=True, reason="the cluster has no certificate authority yet")
        module.fail_json(msg=f"{SECRETS}/ca.key is missing: let the role `node` run first.")
    if trust is None:
        module.fail_json(msg=missing_required_lib("cryptography") + " On Debian it is python3-cryptography.")
    authority = (SECRETS / "ca.key").read_text(), (SECRETS / "ca.crt").read_text()
    subject = params["names"], params["addresses"]
    reason = ""
    if params["trust_only"]:
        pass
    elif not certificate.is_file() or not key.is_file():
        reason = "there is none"
    else:
        reason = (
            trust.fault(certificate.read_text(), key.read_text(), authority[1], *subject, params["renew_days"]) or ""
        )
    stale = text(bundle) != authority[1]
    if (reason or stale) and not module.check_mode:
        gid = grp.getgrnam(params["group"]).gr_gid
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        put(bundle, authority[1], 0o644, 0)
        if reason:
            new_key, new_certificate = trust.issue(authority, params["name"], *subject, params["days"])
            # The old pair is gone in between: a reader that finds no key tries again, a wrong pair would stay.
            certificate.unlink(missing_ok=True)
            put(key, new_key, 0o640, gid)
            put(certificate, new_certificate, 0o644, 0)
    module.exit_json(changed=bool(reason) or stale, reason=reason)


if __name__ == "__main__":
    main()
