# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of cspp.drover.units: says what a restart waits for, and for how long."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

#: Seconds between two looks.
TICK = 3.0


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module, and again while it waits for moves of guests."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returned last."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        node, units = (task_vars or {}).get("inventory_hostname"), ", ".join(arguments.get("restarted") or [])
        begun, shown = time.monotonic(), None
        while True:
            found = self._execute_module("cspp.drover.units", arguments, task_vars=task_vars)
            waiting = found.get("waiting_for")
            if found.get("failed") or not waiting or self._task.check_mode:
                return {**result, **found}
            if shown != (names := [line.partition(":")[0] for line in waiting]):
                display.display(f"  {time.strftime('%H:%M:%S')} {node} waits with a restart for {'; '.join(waiting)}")
                shown = names
            waited = time.monotonic() - begun
            if waited > int(arguments["patience"]):
                message = (
                    f"{units} on {node} was not restarted, and still runs with what it read before: after "
                    f"{waited:.0f} s there is still {'; '.join(waiting)}. Run the same play again when that has ended."
                )
                return {**result, **found, "failed": True, "msg": message}
            time.sleep(TICK)
