# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All there is of cspp.drover.membership: it asks no node, so it runs on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.cspp.drover.plugins.module_utils.declaration.membership import judge

_ARGUMENTS = {
    "inventory": {"type": "list", "elements": "dict", "required": True},
    "seen": {"type": "dict", "required": True},
    "leaving": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Judges the inventory beside what the nodes know."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        found = judge(arguments["inventory"], arguments["seen"], arguments["leaving"])
        if found.refusals:
            lines = ["Nothing was touched. The inventory and the cluster know nodes differently:", *found.refusals]
            return result | {"failed": True, "msg": "\n- ".join(lines)}
        return result | found.as_dict()
