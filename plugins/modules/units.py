#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep many systemd units as declared in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: Keep systemd units enabled, running or masked, in one call
version_added: 0.1.0
description:
  - Looks at all units with one C(systemctl show) and changes only what differs.
options:
  running:
    description: Units to enable at boot and to have running now.
    type: list
    elements: str
    default: []
  enabled:
    description: Units to enable at boot, whether or not they run now.
    type: list
    elements: str
    default: []
  masked:
    description: Units to stop and to mask, so that nothing starts them.
    type: list
    elements: str
    default: []
  restarted:
    description: Units to stop and then start, all of them together. For handlers.
    type: list
    elements: str
    default: []
  reload:
    description: Let systemd read its unit files again first.
    type: bool
    default: false
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.NODE
"""

EXAMPLES = r"""
- name: Run the cluster's services
  cspp.drover.units:
    running: [corosync.service, pacemaker.service]
    masked: [libvirt-guests.service]
"""

RETURN = r"""
actions:
  description: The systemctl calls that were (in check mode would be) made.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.systemd import Unit, parse_show, plan


def main() -> None:
    kinds = ("running", "enabled", "masked")
    lists = {kind: {"type": "list", "elements": "str", "default": []} for kind in kinds}
    module = AnsibleModule(
        argument_spec={
            **lists,
            "restarted": {"type": "list", "elements": "str", "default": []},
            "reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wanted = {name: module.params[name] for name in lists}
    names = [unit for units in wanted.values() for unit in units]
    try:
        if module.params["reload"] and not module.check_mode:
            run(["systemctl", "daemon-reload"])
        units: dict[str, Unit] = {}
        if names:
            properties = "Id,Names,LoadState,ActiveState,UnitFileState,Triggers"
            units = parse_show(names, run(["systemctl", "show", "-p", properties, "--", *names]).stdout)
        calls = plan(wanted, units)
        if module.params["restarted"]:
            calls += [["stop", *module.params["restarted"]], ["start", *module.params["restarted"]]]
        if not module.check_mode:
            for call in calls:
                run(["systemctl", *call], timeout=180)
    except CommandError as error:
        module.fail_json(msg=f"{error}. `journalctl -xe -u UNIT` on the node says more.")
    module.exit_json(changed=bool(calls), actions=[" ".join(call) for call in calls])


if __name__ == "__main__":
    main()
