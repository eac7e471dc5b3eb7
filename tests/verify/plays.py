# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plays, run as a user runs them: with the project's own ansible.cfg and the lab's inventory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventory" / "lab"
#: What goes before the lab's inventory in a lab of another kind, by the names of its folders: "ceph".
BESIDE = [ROOT / "inventory" / name for name in os.environ.get("DROVER_LAB_KIND", "").split()]
ENVIRONMENT = {
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    # Molecule has it coloured, each line by itself, so that sentences which break over lines are not found.
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_NOCOLOR": "1",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def inventories(inventory: Path = INVENTORY) -> list[str]:
    """What plays are told of an inventory: the lab's has others beside it in a lab of another kind."""
    return [str(one) for one in (inventory, *(BESIDE if inventory == INVENTORY else ()))]


@dataclass
class Outcome:
    """What a play came to: its exit status, every task's result by host and task, and its output for people."""

    rc: int = -1
    results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def changed(self) -> set[tuple[str, str]]:
        """The tasks that changed something (in check mode, would have), as (host, task)."""
        return {key for key, result in self.results.items() if result.get("changed")}

    @property
    def told(self) -> str:
        """What it has said to people, however its lines are broken."""
        return " ".join(self.output.split())

    def result(self, task: str) -> dict[str, Any]:
        """The result of a task that one host ran."""
        [found] = [result for (_host, name), result in self.results.items() if name == task]
        return found


def play(name: str, *options: str, inventory: Path = INVENTORY, **variables: Any) -> Outcome:
    """Run playbooks/NAME.yml to its end."""
    outcome = Outcome()

    def handle(event: dict[str, Any]) -> bool:
        data = event.get("event_data", {})
        if event["event"] == "runner_on_ok":
            outcome.results[data["host"], data["task"]] = data["res"]
        elif event["event"] in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            outcome.failures.append(str(data["res"].get("msg")))
        return True

    with tempfile.TemporaryDirectory(prefix="drover-play-") as folder:
        run = ansible_runner.run(
            private_data_dir=folder,
            project_dir=str(ROOT),
            playbook=f"playbooks/{name}.yml",
            inventory=inventories(inventory),
            extravars=variables,
            cmdline=" ".join(options) or None,
            envvars=ENVIRONMENT,
            event_handler=handle,
            quiet=True,
        )
        outcome.rc = run.rc
        outcome.output = run.stdout.read()
    return outcome


def succeed(name: str, *options: str, inventory: Path = INVENTORY, **variables: Any) -> Outcome:
    """Run playbooks/NAME.yml, which has to succeed."""
    outcome = play(name, *options, inventory=inventory, **variables)
    assert outcome.rc == 0, outcome.output
    return outcome


def inventory_of(folder: Path, names: Mapping[str, str]) -> Path:
    """The lab's inventory as a file, with these nodes in this order, each under the name that it has there."""
    argv = ["ansible-inventory", "-i", str(INVENTORY), "--list"]
    shown = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, check=True, capture_output=True, text=True
    )
    found = json.loads(shown.stdout)["_meta"]["hostvars"]
    file = folder / "inventory.json"
    file.write_text(json.dumps({"nodes": {"hosts": {new: found[old] for old, new in names.items()}}}))
    return file


def variable(name: str) -> Any:
    """What the inventory says, templates rendered, as the first node sees it."""
    run = ansible_runner.run(
        private_data_dir=tempfile.mkdtemp(prefix="drover-play-"),
        host_pattern="nodes[0]",
        module="ansible.builtin.debug",
        module_args=f"var={name}",
        inventory=inventories(INVENTORY),
        envvars=ENVIRONMENT,
        quiet=True,
    )
    [found] = [event["event_data"]["res"] for event in run.events if event["event"] == "runner_on_ok"]
    return found[name]


def killed_at(
    name: str,
    task: str,
    when: Callable[[], bool] = lambda: True,
    *,
    timeout: float = 600,
    inventory: Path = INVENTORY,
    **variables: Any,
) -> str:
    """Run playbooks/NAME.yml and kill the controller, all of it at once, in this task as soon as ``when`` holds.

    Returns what it had said. Fails when it ends or takes too long before.
    """
    controller = subprocess.Popen(
        [
            "ansible-playbook",
            *(f"-i{one}" for one in inventories(inventory)),
            f"playbooks/{name}.yml",
            "-e",
            json.dumps(variables),
        ],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    alarm = threading.Timer(timeout, _kill, [controller])
    alarm.start()
    said: list[str] = []
    try:
        found = any(task in line for line in _lines(controller, said))
        if found:
            wait_for(when, bool, what=f"the moment to kill {name}", timeout=60, interval=0.1)
            assert controller.poll() is None, f"{name} ended before it was killed"
    finally:
        _kill(controller)
        alarm.cancel()
    assert found, f"{name} never came to {task!r}:\n{''.join(said)}"
    return "".join(said)


def _lines(controller: subprocess.Popen[str], said: list[str]) -> Iterator[str]:
    assert controller.stdout is not None
    for line in controller.stdout:
        said.append(line)
        if line.startswith(("TASK", "RUNNING HANDLER")):
            yield line


def _kill(controller: subprocess.Popen[str]) -> None:
    try:
        os.killpg(controller.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        controller.wait(timeout=10)
