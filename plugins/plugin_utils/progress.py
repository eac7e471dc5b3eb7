# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Progress on screen while a module moves guests.

A module can't speak before its end. So it runs as a job on the node and writes a log there (job_log.py), first of all
its plan. The controller reads on in it once a tick, prints what is new, and sees whether the job lives, all by one
module. The job goes on when the controller dies.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

__all__ = ["Watched"]

display = Display()

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


class Watched(ActionBase):  # type: ignore[misc]
    """Runs the module of the same name and prints what happens meanwhile. In check mode nothing happens, and the module
    just tells its plan."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returned."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if self._task.check_mode:
            result.update(self._execute_module(self._task.action, self.arguments(), task_vars=task_vars))
            return result
        log = uuid.uuid4().hex
        self._task.async_val = LIFE
        try:
            arguments = {**self.arguments(), "log": log}
            job = self._execute_module(self._task.action, arguments, task_vars=task_vars, wrap_async=True)
        finally:
            self._task.async_val = 0
        if "ansible_job_id" not in job:
            result.update(job)
            return result
        done = self._watch(job["ansible_job_id"], log, task_vars)
        self._job(job["ansible_job_id"], "cleanup", task_vars)
        result.update({key: value for key, value in done.items() if key not in _OF_THE_JOB})
        return result

    def arguments(self) -> dict[str, Any]:
        """What the module is given."""
        return dict(self._task.args)

    def _watch(self, job: str, log: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Print what a job says, to its end. Returns its result."""
        offset = lost = 0
        while True:
            asked = {"job": job, "log": log, "offset": offset}
            found = self._execute_module("cspp.drover.job_info", asked, task_vars=task_vars)
            for line in found.get("lines") or []:
                display.display(f"  {time.strftime('%H:%M:%S')} {line}")
            offset = found.get("offset", offset)
            lost = 0 if found.get("lives") else lost + 1
            if lost:
                done = self._job(job, "status", task_vars)
                if done.get("finished"):
                    return done
                # Twice, for it may have ended between the two questions.
                if lost == 2:
                    return {"failed": True, "msg": LOST.format(self._task.action)}
            time.sleep(TICK)

    def _job(self, name: str, mode: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        folder = self.get_shell_option("async_dir", default="~/.ansible_async")
        arguments = {"jid": name, "mode": mode, "_async_dir": folder}
        found: dict[str, Any] = self._execute_module("ansible.legacy.async_status", arguments, task_vars=task_vars)
        return found
