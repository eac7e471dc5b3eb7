# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Progress on screen while a module moves guests.

A module can't speak before its end. So it runs as a job on the node, and the controller looks at the job and at
the cluster once a tick, and prints what changed. The job goes on when the controller dies.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.cspp.drover.plugins.module_utils import report

__all__ = ["Watched", "news", "states"]

display = Display()

State = Mapping[str, tuple[str, ...]]

#: Seconds between two looks.
TICK = 1.0
#: Seconds a job may live. The module itself gives up before, with what is on local storage after a good day.
LIFE = 2 * 86_400
#: What is told of a job whose process is gone.
LOST = (
    "The job of {} on this node is gone without a word: somebody killed it, or the node was restarted. What it began "
    "goes on by itself. Run the same command again: it picks up from there and says how it went"
)
#: What a job's status adds to the module's own result.
_OF_THE_JOB = frozenset(
    {"ansible_job_id", "finished", "results_file", "started", "stderr", "stderr_lines", "stdout", "stdout_lines"}
)


def states(status: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Each guest's state and nodes, from what cluster_status_info returned."""
    return {guest["name"]: (guest["state"], *guest["nodes"]) for guest in status.get("guests") or []}


def news(before: State, now: State) -> list[str]:
    """What changed between two looks, a line per guest."""
    lines = []
    for name, (word, *nodes) in sorted(now.items()):
        if name in before and before[name] != (word, *nodes):
            lines.append(f"{name}: {word}" + (f" on {', '.join(nodes)}" if nodes else ""))
    return lines


class Watched(ActionBase):  # type: ignore[misc]
    """Runs the module of the same name and prints what happens meanwhile."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        module, arguments, task_vars = self._task.action, self._task.args, task_vars or {}
        if self._task.check_mode:
            result.update(self._execute_module(module, arguments, task_vars=task_vars))
            return result
        seen = states(self.look(task_vars))
        moves = report.Lines()
        self._task.async_val = LIFE
        try:
            job = self._execute_module(module, arguments, task_vars=task_vars, wrap_async=True)
        finally:
            self._task.async_val = 0
        if "ansible_job_id" not in job:
            result.update(job)
            return result
        lost = 0
        while True:
            done = self._job(job["ansible_job_id"], "status", task_vars)
            found = self.look(task_vars)
            now = states(found)
            for line in news(seen, now) + moves.due(found.get("moves") or [], time.monotonic()):
                display.display(f"  {time.strftime('%H:%M:%S')} {line}")
            seen = now
            if done.get("finished"):
                break
            # Twice, for it may have ended between the two questions.
            lost = 0 if self._lives(job["ansible_job_id"]) else lost + 1
            if lost == 2:
                done = {"failed": True, "msg": LOST.format(module)}
                break
            time.sleep(TICK)
        self._job(job["ansible_job_id"], "cleanup", task_vars)
        result.update({key: value for key, value in done.items() if key not in _OF_THE_JOB})
        return result

    def look(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """What cluster_status_info returns now."""
        found: dict[str, Any] = self._execute_module("cspp.drover.cluster_status_info", {}, task_vars=task_vars)
        return found

    def _lives(self, name: str) -> bool:
        """Whether the job's process is there: nobody else would ever tell that it was killed."""
        # The process was told the part before the dot. The brackets keep the search from finding itself.
        name = name.partition(".")[0]
        argv = f"grep -qs '[{name[0]}]{name[1:]}' /proc/[0-9]*/cmdline"
        return bool(self._low_level_execute_command(argv, executable="/bin/sh")["rc"] == 0)

    def _job(self, name: str, mode: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        folder = self.get_shell_option("async_dir", default="~/.ansible_async")
        arguments = {"jid": name, "mode": mode, "_async_dir": folder}
        found: dict[str, Any] = self._execute_module("ansible.legacy.async_status", arguments, task_vars=task_vars)
        return found
