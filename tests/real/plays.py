# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks, run as an administrator runs them, and what they say told while they run."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError

__all__ = ["PlayError", "Played", "play"]

ROOT = Path(__file__).resolve().parents[2]


class PlayError(DroverError):
    """A playbook that failed: every host's message, and where its whole output is."""


@dataclass
class Played:
    """What a playbook came to: its seconds, and the results of tasks by host and task."""

    seconds: float = 0.0
    results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def result(self, task: str) -> dict[str, Any]:
        """The result of a task that one host ran; empty when none did."""
        return next((result for (_host, name), result in self.results.items() if name == task), {})


def play(playbook: str, inventory: Path, logs: Path, tell: Callable[[str], None], **variables: Any) -> Played:
    """Run a playbook of this checkout to its end; what it says is in ``logs``, in a folder of its name.

    Raises PlayError, and KeyboardInterrupt when it was broken off.
    """
    played, failures, roles = Played(), list[str](), set[str]()
    # Anew, for ansible-runner takes variables of an earlier run for this one's.
    folder = logs / Path(playbook).stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.monotonic()

    def handle(event: dict[str, Any]) -> bool:
        data = event.get("event_data", {})
        kind = event["event"]
        if kind == "playbook_on_task_start":
            role = str(data.get("role") or "").rsplit(".", 1)[-1]
            if role and role not in roles:
                roles.add(role)
                tell(f"role {role}")
        elif kind == "verbose" and event.get("stdout", "").startswith("drover:"):
            tell(event["stdout"].removeprefix("drover:").strip())
        elif kind == "runner_on_ok":
            played.results[data["host"], data["task"]] = data["res"]
        elif kind in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            failures.append(f"{data.get('host')}: {data.get('task')}: {data.get('res', {}).get('msg')}")
        return True

    # ansible-runner would keep these signals for good, and nobody else would hear of them.
    broken_off = threading.Event()
    handlers = {each: signal.signal(each, lambda *_: broken_off.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        run = _run(playbook, inventory, folder, handle, variables, broken_off.is_set)
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    if broken_off.is_set():
        raise KeyboardInterrupt
    played.seconds = time.monotonic() - begun
    if run.status != "successful":
        log = Path(run.config.artifact_dir, "stdout")
        told = failures or log.read_text().splitlines()[-5:]
        raise PlayError("\n".join([f"{playbook} failed", *told, f"its whole output: {log}"]))
    return played


def _run(
    playbook: str,
    inventory: Path,
    folder: Path,
    handle: Callable[[dict[str, Any]], bool],
    variables: dict[str, Any],
    cancel: Callable[[], bool],
) -> Any:
    return ansible_runner.run(
        private_data_dir=str(folder),
        ident="run",
        project_dir=str(ROOT),
        playbook=playbook,
        inventory=str(inventory),
        extravars=variables,
        envvars={
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        event_handler=handle,
        cancel_callback=cancel,
        quiet=True,
    )
