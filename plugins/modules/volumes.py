#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the disks and root file systems of guests as declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volumes
short_description: Keep the disks and root file systems of guests as declared
version_added: 0.1.0
description:
  - Makes, grows and removes the volumes of all guests in one call. It looks at everything first, and does nothing when
    any of it cannot be done.
  - Disks never shrink. The disk of a running VM is not touched here; its agent grows it.
  - Run it on one node for the volumes in shared pools, and on the node itself for those in pools of its own.
options:
  volumes:
    description: What should be where.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - V(disk) is a qcow2 file, V(seed) a small disk that a VM reads its settings from, V(rootfs) a file tree.
          - V(folder) is a folder with all volumes of a guest, and is removed.
        type: str
        choices: [disk, seed, rootfs, folder]
        required: true
      path:
        description: Where it is.
        type: path
        required: true
      label:
        description: Its place in the user's YAML, for messages.
        type: str
        required: true
      size:
        description: Size of a disk in bytes, or the most that a root file system may hold.
        type: int
        default: 0
      image:
        description: What a new disk is a copy of, or the archive a new root file system is unpacked from.
        type: path
      files:
        description: Files on a seed, or put into a new root file system, by path.
        type: dict
        default: {}
      idmap:
        description: What user 0 of the container is on the node (C(start)), and how many there are (C(count)).
        type: dict
      rival:
        description: A folder that exists only if the guest is of the other kind, which is refused.
        type: path
      known:
        description: Name of the guest, if the cluster knows it by this volume. When it is missing, that is refused.
        type: str
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells what would be done and does nothing.
  diff_mode:
    description: Shows each volume before and after.
"""

EXAMPLES = r"""
- name: Make the disks
  cspp.drover.volumes:
    volumes:
      - type: disk
        path: /srv/drover/shared/vms/minecraft/vda.qcow2
        label: guests.minecraft.disks[0]
        size: 21474836480
        image: /srv/drover/shared/images/debian-13-1f2e3d/disk.qcow2
"""

RETURN = r"""
steps:
  description: What was (in check mode would be) done, with C(action), C(path) and C(label).
  type: list
  elements: dict
  returned: always
"""

from contextlib import nullcontext

from ansible_collections.cspp.drover.plugins.module_utils.core.node_name import node_name
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.quiet_module import QuietModule
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.lxc_host import STOPPED, LxcHost
from ansible_collections.cspp.drover.plugins.module_utils.migration.whereabouts import elsewhere
from ansible_collections.cspp.drover.plugins.module_utils.storage.host import StorageHost, exclusive
from ansible_collections.cspp.drover.plugins.module_utils.storage.volumes import Volume, plan

VOLUME = {
    "type": {"type": "str", "choices": ["disk", "seed", "rootfs", "folder"], "required": True},
    "path": {"type": "path", "required": True},
    "label": {"type": "str", "required": True},
    "size": {"type": "int", "default": 0},
    "image": {"type": "path"},
    "files": {"type": "dict", "default": {}},
    "idmap": {"type": "dict"},
    "rival": {"type": "path"},
    "known": {"type": "str"},
}


def running(guest: str) -> str | None:
    """The node on which a container runs, by LXC's own word on each. Raises DroverError when one does not tell."""
    return node_name() if LxcHost().state(guest) != STOPPED else elsewhere(guest, 10.0, question="runs")


def main() -> None:
    module = QuietModule(
        argument_spec={"volumes": {"type": "list", "elements": "dict", "required": True, "options": VOLUME}},
        supports_check_mode=True,
    )
    volumes = [Volume(**entry) for entry in module.params["volumes"]]
    host = StorageHost(runs=running)
    remedy = "What was finished stays; run the play again once this is put right."
    with fail_on_error(module, OSError, remedy=remedy), nullcontext() if module.check_mode else exclusive():
        todo = plan(volumes, host.look(volumes), host.unkept(volumes))
        if todo.refusals:
            untouched = "No guest was touched." if module.check_mode else "Nothing was done on this node."
            module.fail_json(msg=f"{untouched} " + "\n".join(todo.refusals))
        for step in () if module.check_mode else todo.steps:
            host.carry_out(step)
    module.exit_json(
        changed=bool(todo.steps),
        diff=[
            {
                "before_header": step.volume.path,
                "after_header": step.volume.path,
                "before": f"{step.before}\n" if step.before else "",
                "after": f"{step.after}\n" if step.after else "",
            }
            for step in todo.steps
        ],
        steps=[{"action": step.action, "path": step.volume.path, "label": step.volume.label} for step in todo.steps],
    )


if __name__ == "__main__":
    main()
