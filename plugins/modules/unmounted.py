#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give up the mounts of storage pools that are no longer declared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unmounted
short_description: Give up mounts that role storage made and that are no longer declared
version_added: 0.1.0
description:
  - Unmounts them and removes their unit files. Mounts that Drover did not make are left alone.
  - A mount in use is kept with its file, and told as a warning; the next run tries again.
options:
  declared:
    description: Names of the mount units that are declared.
    type: list
    elements: str
    required: true
  mounted_by_others:
    description: Paths whose mounts are now kept by other means. They stay mounted, only the unit files go.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.NODE
attributes:
  check_mode:
    description: Tells what would be given up and touches nothing. Whether a mount is in use is not tried.
  diff_mode:
    description: The unit files before.
"""

EXAMPLES = r"""
- name: Unmount what is no longer declared
  cspp.drover.unmounted:
    declared: [srv-drover-shared.mount]
"""

RETURN = r"""
units:
  description: Units that were (in check mode would be) given up.
  type: list
  elements: str
  returned: always
in_use:
  description: Units that are kept because their mounts are in use.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, run
from ansible_collections.cspp.drover.plugins.module_utils.host.module_failure import fail_on_error
from ansible_collections.cspp.drover.plugins.module_utils.storage.mounts import FOLDER, HEADER, unit_name

UNITS = Path(FOLDER)


def given_up(declared: list[str]) -> dict[str, str]:
    """Unit files of ours that are no longer declared, by name."""
    found = {file.name: file.read_text() for file in sorted(UNITS.glob("*.mount")) if not file.is_symlink()}
    return {name: text for name, text in found.items() if name not in declared and text.startswith(HEADER)}


def give_up(unit: str, stay: bool) -> str | None:
    """Unmount, unless it is to stay mounted, and remove the unit's file. Returns why that can't be, if so."""
    if not stay:
        try:
            run(["systemctl", "stop", "--", unit], timeout=120)
        except CommandError as error:
            return str(error).rstrip(".")
    run(["systemctl", "disable", "--", unit])
    (UNITS / unit).unlink()
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "declared": {"type": "list", "elements": "str", "required": True},
            "mounted_by_others": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    gone = given_up(module.params["declared"])
    stay = {unit_name(path) for path in module.params["mounted_by_others"]}
    in_use: list[str] = []
    with fail_on_error(module, OSError):
        for unit in [] if module.check_mode else gone:
            fault = give_up(unit, unit in stay)
            if fault:
                in_use.append(unit)
                module.warn(
                    f"{unit} is no longer declared in storage_pools and is kept, because it can't be unmounted: "
                    f"{fault}. Move away what uses it and run this again."
                )
        done = [unit for unit in gone if unit not in in_use]
        if done and not module.check_mode:
            run(["systemctl", "daemon-reload"])
    diff = [
        {"before_header": str(UNITS / unit), "after_header": str(UNITS / unit), "before": gone[unit], "after": ""}
        for unit in done
    ]
    module.exit_json(changed=bool(done), units=done, in_use=in_use, diff=diff)


if __name__ == "__main__":
    main()
