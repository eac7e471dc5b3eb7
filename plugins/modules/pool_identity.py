#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mark storage, so that two nodes can tell whether they see the same."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pool_identity
short_description: Mark directories, so that nodes can tell whether they share them
version_added: 0.1.0
description:
  - Reads the identity in each directory, and makes one where there is none. Nodes that share a directory read the same
    identity, whichever made it.
  - A directory in which the cluster remembers another pool is refused and left alone, for it is not mounted, say.
options:
  paths:
    description: Directories; made when missing.
    type: list
    elements: path
    required: true
  replaced:
    description: Those of them in which there is another pool on purpose.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells what would be made.
"""

EXAMPLES = r"""
- name: Tell the pools apart
  cspp.drover.pool_identity:
    paths: [/srv/drover/shared]
"""

RETURN = r"""
identities:
  description: The identity by path; null for one that check mode did not make.
  type: dict
  returned: always
sizes:
  description: How large the file system at each path is, in bytes, by path.
  type: dict
  returned: always
"""

import os
import uuid
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import MARK
from ansible_collections.cspp.drover.plugins.module_utils.storage.remembered import mistaken, remembered


def found(folder: Path) -> str | None:
    """The directory's identity; None when it has none."""
    mark = folder / MARK
    return mark.read_text().strip() if mark.is_file() else None


def size(folder: Path) -> int:
    """How large the file system is that the directory is on, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    room = os.statvfs(there)
    return room.f_blocks * room.f_frsize


def identity(folder: Path, check: bool) -> tuple[str | None, bool]:
    """The directory's identity, and whether it was (would be) made."""
    mark, there = folder / MARK, found(folder)
    if there is not None:
        return there, False
    if check:
        return None, True
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{MARK}.{uuid.uuid4()}"
    draft.write_text(f"{uuid.uuid4()}\n")
    try:
        # Of several nodes that come here at once, one wins: link() does not overwrite, on NFS neither. So not by
        # core/atomic, with which the last one would.
        os.link(draft, mark)
        return mark.read_text().strip(), True
    except FileExistsError:
        return mark.read_text().strip(), False
    finally:
        draft.unlink()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "replaced": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    paths = module.params["paths"]
    there = {path: found(Path(path)) for path in paths}
    problems = mistaken(remembered(), there, module.params["replaced"])
    if problems:
        module.fail_json(msg=" ".join(problems))
    identities: dict[str, str | None] = {}
    changed = False
    for path in paths:
        with fail_on_error(module, OSError, what=f"{path} cannot be used as a pool"):
            identities[path], made = identity(Path(path), module.check_mode)
        changed = changed or made
    module.exit_json(changed=changed, identities=identities, sizes={path: size(Path(path)) for path in paths})


if __name__ == "__main__":
    main()
