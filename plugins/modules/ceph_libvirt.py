#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the key by which libvirt opens disks in Ceph."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_libvirt
short_description: Keep the key by which libvirt opens disks in Ceph
version_added: 0.2.0
description:
  - Keeps a secret of libvirt's, private, with the key of Drover's client of Ceph.
options:
  key:
    description: The key.
    type: str
    required: true
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Let libvirt open disks in Ceph
  cspp.drover.ceph_libvirt:
    key: "{{ settled['client.drover'] }}"
"""

RETURN = r"""
"""

import base64
import hashlib
import uuid
from contextlib import suppress
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils.ceph.rbd import SECRET
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule

#: The same on every node.
UUID = str(uuid.uuid5(uuid.NAMESPACE_URL, "urn:cspp:drover:ceph"))
#: Where libvirt keeps the value, which it does not give away of a secret that is private.
VALUE = Path(f"/etc/libvirt/secrets/{UUID}.base64")
XML = f"""<secret ephemeral='no' private='yes'>
  <uuid>{UUID}</uuid>
  <usage type='ceph'><name>{SECRET}</name></usage>
</secret>"""


def differs(key: str) -> bool:
    """Whether libvirt has another key, or none."""
    with suppress(OSError):
        # A digest, for whatever ends up in a traceback.
        held = hashlib.sha256(VALUE.read_text().strip().encode()).digest()
        return held != hashlib.sha256(base64.b64encode(base64.b64decode(key))).digest()
    return True


def main() -> None:
    module = QuietModule(
        argument_spec={"key": {"type": "str", "required": True, "no_log": True}}, supports_check_mode=True
    )
    key = module.params["key"]
    changed = differs(key)
    if changed and not module.check_mode:
        try:
            import libvirt
        except ImportError:
            module.fail_json(msg="python3-libvirt is not installed here: run role kvm first.")
        try:
            connection = libvirt.open("qemu:///system")
            connection.secretDefineXML(XML).setValue(base64.b64decode(key))
        except libvirt.libvirtError as error:
            module.fail_json(msg=f"libvirt did not take the key for disks in Ceph: {error.get_error_message()}.")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
