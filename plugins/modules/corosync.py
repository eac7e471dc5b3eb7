#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let a running corosync have its configuration file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: corosync
short_description: Let corosync read its configuration again where it runs with another
version_added: 0.2.0
description:
  - Compares the list of nodes and the timeouts of the running corosync with its configuration file, and reloads it if
    they differ. A reload reaches all members that this node's corosync has, so that one node is enough for them; those
    that it does not have yet have to be asked as well. Run it on one node after the other (C(throttle)).
options:
  path:
    description: The configuration file.
    type: path
    default: /etc/corosync/corosync.conf
  patience:
    description: Seconds within which corosync has to run with the file's settings.
    type: int
    default: 20
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Let corosync know its members
  cspp.drover.corosync:
  throttle: 1
"""

RETURN = r"""
differences:
  description: What the running corosync had otherwise than the file, in words.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.cluster.corosync_conf import from_file
from ansible_collections.cspp.drover.plugins.module_utils.core.command import run
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.host.corosync import differences, from_cmap
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/corosync/corosync.conf"},
            "patience": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])

    def look() -> list[str]:
        return differences(from_file(path.read_text(encoding="utf-8")), from_cmap(run(["corosync-cmapctl"]).stdout))

    remedy = "`journalctl -u corosync` on the node says more."
    with fail_on_error(module, OSError, remedy=remedy):
        try:
            found = look()
        except (DroverError, OSError):
            if module.check_mode:
                # A dry run on a bare host.
                module.exit_json(changed=False, differences=[])
            raise
        if found and not module.check_mode:
            run(["corosync-cfgtool", "-R"])
            wait_for(
                look,
                lambda left: not left,
                what=f"corosync's acceptance of {path}",
                timeout=module.params["patience"],
                interval=0.2,
            )
    module.exit_json(changed=bool(found), differences=found)


if __name__ == "__main__":
    main()
