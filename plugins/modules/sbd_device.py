#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lay shared disks out for SBD."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sbd_device
short_description: Lay shared disks out for SBD
version_added: 0.4.0
description:
  - Writes SBD's header and slots to disks that hold demonstrably nothing, namely no signature, no byte other than zero
    where SBD writes, and nobody who has them open.
  - A disk that has an SBD header is left as it is, and one that holds anything else is refused.
  - Run it on one node.
options:
  devices:
    description: The disks.
    type: list
    elements: path
    required: true
  watchdog_timeout:
    description: Seconds of the watchdog, for the header. Orders count as delivered after twice that.
    type: int
    required: true
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Lay the disk out
  cspp.drover.sbd_device:
    devices: [/dev/disk/by-id/wwn-0x5000c500a1b2c3d4]
    watchdog_timeout: 15
  run_once: true
"""

RETURN = r"""
created:
  description: The disks that were (in check mode would be) laid out.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.sbd import NotEmpty, SbdNode


def lay_out(node: SbdNode, devices: list[str], timeout: int, *, check: bool) -> list[str]:
    """The disks that had no header. Raises NotEmpty before anything is written."""
    seen = [node.device(path) for path in devices]
    for disk in seen:
        if holds := disk["fault"] or disk["content"]:
            raise NotEmpty(f"{disk['path']} cannot be laid out for SBD: {holds}")
    blank = [disk["path"] for disk in seen if disk["header"] is None]
    for path in [] if check else blank:
        node.create(path, timeout)
    return blank


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "devices": {"type": "list", "elements": "path", "required": True},
            "watchdog_timeout": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    wish = module.params
    with fail_on_error(module, remedy="name another disk in fencing_sbd_devices, or empty this one"):
        created = lay_out(SbdNode(run), wish["devices"], wish["watchdog_timeout"], check=module.check_mode)
    module.exit_json(changed=bool(created), created=created)


if __name__ == "__main__":
    main()
