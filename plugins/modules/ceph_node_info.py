#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of Ceph a node holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_node_info
short_description: What of Ceph a node holds
version_added: 0.2.0
description:
  - Reads the secrets of Ceph below C(/etc/drover/secrets/ceph), and whether this node has seen the cluster work
    (C(/etc/drover/ceph-formed)). Run it with C(no_log), the result is secret.
  - Tries whether Python's bcrypt can be loaded by the manager as this node has it.
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Look for Ceph's keys
  cspp.drover.ceph_node_info:
  register: held
  no_log: true
"""

RETURN = r"""
secrets:
  description: Contents by file name; a secret the node does not hold is missing.
  type: dict
  returned: always
formed:
  description: The fsid of the cluster that this node has seen work; empty where it has not.
  type: str
  returned: always
kernel_client:
  description: Whether the node's kernel has Ceph's file system.
  type: bool
  returned: always
bcrypt_fails:
  description: Whether bcrypt cannot be loaded twice in a process, which keeps the manager from loading its modules.
  type: bool
  returned: always
"""

import os
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.ceph.monitor import FORMED
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.trust.keyfiles import SECRETS

#: As the manager does it: an interpreter for each of its modules, all in one process.
TRIAL = """
try:
    import _interpreters as interpreters
    new = lambda: interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    new = lambda: interpreters.create(isolated=False)
import importlib.util, sys
if importlib.util.find_spec("bcrypt") is not None:
    for _ in range(2):
        if hasattr(interpreters, "exec"):
            failed = interpreters.exec(new(), "import bcrypt")
        else:
            failed = interpreters.run_string(new(), "import bcrypt")
        if failed:
            sys.exit(1)
"""


def bcrypt_fails() -> bool:
    """Whether the manager's second module that wants bcrypt would not get it."""
    try:
        return run([sys.executable, "-c", TRIAL], ok=None, timeout=30).rc != 0
    except CommandError:
        return True


def kernel_client() -> bool:
    """Whether the kernel has the file system, or a module of it."""
    if "\tceph\n" in Path("/proc/filesystems").read_text():
        return True
    try:
        return run(["modprobe", "--dry-run", "--quiet", "ceph"], ok=None).rc == 0
    except CommandError:
        return False


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    folder = SECRETS / "ceph"
    held = (
        {file.name: file.read_text().strip() for file in folder.glob("*") if file.is_file()} if folder.is_dir() else {}
    )
    formed = FORMED.read_text().strip() if FORMED.is_file() else ""
    module.exit_json(
        changed=False,
        secrets=held,
        formed=formed,
        kernel_client=kernel_client(),
        # Without a manager there is nothing to try it with yet.
        bcrypt_fails=not os.path.exists("/usr/bin/ceph-mgr") or bcrypt_fails(),
    )


if __name__ == "__main__":
    main()
