# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All there is of cspp.drover.guests_plan: it asks no node, so it runs on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.declaration.checkout import checkout
from ansible_collections.cspp.drover.plugins.module_utils.declaration.declaration import Declaration

_ARGUMENTS = {
    "guests": {"type": "raw"},
    "cluster": {"type": "dict"},
    "workers": {"type": "list", "elements": "str"},
    "managers": {"type": "list", "elements": "str"},
    "declared": {"type": "dict"},
    "images": {"type": "dict"},
    "seen": {"type": "dict", "default": {}},
    "recreate": {"type": "raw", "default": False},
    "rooms": {"type": "dict", "default": {}},
    "overcommit": {"type": "float", "default": 1.0},
    "may_restart": {"type": "raw", "default": False},
    "id_area": {"type": "dict"},
    "move_disks": {"type": "raw", "default": False},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Judges the declaration first, and plans from it when everything that a plan takes is known."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            argument_spec=_ARGUMENTS,
            mutually_exclusive=[("guests", "declared")],
            required_one_of=[("guests", "declared")],
            required_by={"guests": ("cluster", "workers", "managers"), "declared": "images"},
        )
        try:
            if arguments["declared"] is None:
                source = checkout((task_vars or {}).get("inventory_dir"))
                return result | _judged(arguments) | {"source": source}
            return result | _planned(arguments)
        except DroverError as error:
            return result | {"failed": True, "msg": f"No guest was touched. {error}"}


def _judged(arguments: dict[str, Any]) -> dict[str, Any]:
    workers, managers = arguments["workers"], arguments["managers"]
    declared = {key: arguments[key] for key in ("guests", "cluster", "workers")}
    # What is shared is made by the node that tells the cluster of it; where there is no cluster yet, by any.
    declared["first"] = next(iter([*managers, *workers]), "")
    found = Declaration.read(declared["guests"], declared["cluster"]).outline()
    found |= {"declared": declared, "manager": next(iter(managers), "")}
    if found["problems"]:
        lines = [f"No guest was touched. {len(found['problems'])} problem(s) with the guests declared:"]
        found |= {"failed": True, "msg": "\n- ".join([*lines, *found["problems"]])}
    return found


def _planned(arguments: dict[str, Any]) -> dict[str, Any]:
    declared = arguments["declared"]
    declaration = Declaration.read(declared["guests"], declared["cluster"])
    keys = ("seen", "recreate", "rooms", "overcommit", "may_restart", "id_area", "move_disks")
    more = {key: arguments[key] for key in keys}
    return declaration.plan(arguments["images"], declared["workers"], declared["first"], **more)
