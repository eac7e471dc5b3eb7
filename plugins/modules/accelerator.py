#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find out whether a node's virtual machines run on KVM or TCG."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accelerator
short_description: Find out whether a node's virtual machines run on KVM or TCG
version_added: 0.1.0
description:
  - Boots the tiny VM with KVM. If it does not come up in time, virtual machines on this node run on TCG, QEMU's own
    and slow processor.
  - The answer is written to a file that the agents read, and not sought again while QEMU, the tiny image, the node's
    kernel and the presence of C(/dev/kvm) stay the same. A device with which the tiny VM did not come up is tried again
    in the next run, for the node may have been busy.
options:
  image:
    description: Folder of the tiny image.
    type: path
    required: true
  hash:
    description: Its hash.
    type: str
    required: true
  path:
    description: Where the answer is kept.
    type: path
    default: /etc/drover/accelerator.json
  timeout:
    description: Seconds the tiny VM has to boot.
    type: float
    default: 10.0
requirements: [qemu-system-x86]
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells whether it would be found out for the first time; nothing is booted.
  diff_mode:
    description: The file before and after.
"""

EXAMPLES = r"""
- name: KVM or TCG?
  cspp.drover.accelerator:
    image: "{{ images_built['vm/tiny'].path }}"
    hash: "{{ images_built['vm/tiny'].hash }}"
"""

RETURN = r"""
accelerator:
  description: V(kvm) or V(tcg); null in check mode when it is not known yet.
  type: str
  returned: always
reason:
  description: Why.
  type: str
  returned: always
  sample: "no KVM: there is no /dev/kvm"
settled:
  description: False when there is a device that is not used, which the next run tries again.
  type: bool
  returned: when the accelerator is known
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core import atomic
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.accelerator import (
    RECORD,
    circumstances,
    find_out,
    recorded,
    settled,
)


def answer(record: dict[str, Any]) -> dict[str, Any]:
    return {**{key: record[key] for key in ("accelerator", "reason")}, "settled": settled(record)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "path", "required": True},
            "hash": {"type": "str", "required": True},
            "path": {"type": "path", "default": str(RECORD)},
            "timeout": {"type": "float", "default": 10.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    path, image = Path(params["path"]), Path(params["image"])
    before = path.read_text() if path.is_file() else ""
    with fail_on_error(module, remedy="Let role kvm run first."):
        try:
            now = circumstances(params["hash"])
        except CommandError:
            if module.check_mode:
                module.exit_json(changed=True, accelerator=None, reason="it would be found out when QEMU is installed")
            raise
        known = recorded(before, now)
        if known and (settled(known) or module.check_mode):
            module.exit_json(changed=False, **answer(known))
        if module.check_mode:
            module.exit_json(changed=True, accelerator=None, reason="it would be found out by booting the tiny VM")
        if not (image / "kernel").is_file():
            module.fail_json(msg=f"{image}/kernel is missing here: is {image.parent} the same directory on all nodes?")
        with tempfile.TemporaryDirectory(prefix="drover-") as scratch:
            record = find_out(now, image, Path(scratch), timeout=params["timeout"])
    after = json.dumps(record, indent=2, sort_keys=True) + "\n"
    if after != before:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Agents may be reading it.
        atomic.write(path, after, mode=0o644)
    headers = {"before_header": str(path), "after_header": str(path)}
    module.exit_json(changed=after != before, diff={"before": before, "after": after, **headers}, **answer(record))


if __name__ == "__main__":
    main()
