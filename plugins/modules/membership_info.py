#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node knows of its cluster's members."""

from __future__ import annotations

DOCUMENTATION = r"""
module: membership_info
short_description: Tell what a node knows of its cluster's members
version_added: 0.4.0
description:
  - Reads the list of nodes that corosync runs with, and the one in its file, and what the node has on record of the
    addresses and SSH host keys of other nodes. On a bare host there is nothing of it.
options:
  path:
    description: corosync's configuration file.
    type: path
    default: /etc/corosync/corosync.conf
extends_documentation_fragment:
  - cspp.drover.attributes.INFO
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Look at what the node knows of the cluster
  cspp.drover.membership_info:
  register: known
"""

RETURN = r"""
running:
  description: The nodes that the running corosync lists, each with C(name), C(id) and C(links); none where it does not
    run.
  type: list
  elements: dict
  returned: always
quorate:
  description: Whether corosync runs and has quorum.
  type: bool
  returned: always
file:
  description: The nodes that corosync's file lists.
  type: list
  elements: dict
  returned: always
addresses:
  description: The addresses of nodes by name, as C(/etc/hosts) has them from Drover.
  type: dict
  returned: always
host_keys:
  description: The SSH host keys of nodes by name, as C(/etc/ssh/ssh_known_hosts2) has them.
  type: dict
  returned: always
"""

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.corosync_conf import from_file
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.host.corosync import from_cmap, members
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.host.node_records import host_keys
from ansible_collections.cspp.drover.plugins.module_utils.peer.members import HOSTS, addresses

KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts2")


def lines(file: Path) -> list[str]:
    """The file's lines, none when it is not there."""
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []


def running() -> tuple[list[dict[str, Any]], bool]:
    """The list that corosync runs with, empty where it does not run; and whether it has quorum."""
    if shutil.which("corosync-cmapctl", path="/usr/sbin:/usr/bin") is None:
        return [], False
    try:
        found = members(from_cmap(run(["corosync-cmapctl"], timeout=20).stdout))
    except CommandError:
        return [], False
    # 0 says yes, 2 no.
    asked = run(["corosync-quorumtool", "-s"], timeout=20, ok=None)
    return found, asked.rc == 0


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": "/etc/corosync/corosync.conf"}}, supports_check_mode=True
    )
    with fail_on_error(module, OSError):
        listed, quorate = running()
        module.exit_json(
            changed=False,
            running=listed,
            quorate=quorate,
            file=members(from_file("\n".join(lines(Path(module.params["path"]))))),
            addresses=addresses("\n".join(lines(HOSTS))),
            host_keys=host_keys(lines(KNOWN_HOSTS)),
        )


if __name__ == "__main__":
    main()
