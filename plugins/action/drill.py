# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All there is of cspp.drover.drill: whoever measures stands outside of the nodes, so it runs on the controller."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.lock import locked
from ansible_collections.cspp.drover.plugins.module_utils.drill import ledgers, report
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import Ground, LabGround, Servers
from ansible_collections.cspp.drover.plugins.module_utils.drill.rest import cluster
from ansible_collections.cspp.drover.plugins.module_utils.drill.run import Plan, carry_out, plan

display = Display()

_ARGUMENTS = {
    "drill": {"type": "str", "required": True},
    "variant": {"type": "str", "default": ""},
    "node": {"type": "str", "default": ""},
    "guest": {"type": "str", "default": ""},
    "lab": {"type": "path"},
    "really": {"type": "bool", "default": False},
    "ledgers": {"type": "list", "elements": "str", "default": []},
    "program": {"type": "str", "default": ""},
    "ports": {"type": "dict", "default": {}},
    "results": {"type": "path"},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Plans, tells, strikes, judges."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module's documentation says."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        try:
            ground = _ground(arguments["lab"], task_vars or {})
            with _alone(arguments["lab"]), _ledgers(ground, arguments, self._task.check_mode):
                todo = _plan(ground, arguments)
                if (refused := self._refused(arguments, todo.sentences())) is not None:
                    return result | refused
                return result | _drilled(ground, arguments, todo)
        except (DroverError, OSError) as error:
            return result | {"failed": True, "msg": f"Nothing was broken: {error}"}

    def _refused(self, arguments: dict[str, Any], told: list[str]) -> dict[str, Any] | None:
        """The result when nothing is to be broken."""
        if self._task.check_mode:
            return {"changed": False, "plan": told, "lines": told, "strayed": [], "wrong": []}
        if arguments["lab"] is None and not arguments["really"]:
            again = "This is no lab. If that is to happen now, say so: -e really=true"
            lines = ["Nothing was broken. What would happen:", *told, again]
            return {"failed": True, "plan": told, "msg": "\n- ".join(lines)}
        return None


def _drilled(ground: Ground, arguments: dict[str, Any], todo: Plan) -> dict[str, Any]:
    outcome = carry_out(ground, todo, _say)
    found = {**asdict(outcome), "well": outcome.well}
    if arguments["results"]:
        _record(Path(arguments["results"]), found)
    return {
        "changed": True,
        "plan": todo.sentences(),
        "lines": report.lines(outcome),
        "outcome": found,
        "strayed": [{"guest": guest.name, "node": guest.node} for guest in outcome.strayed],
        "wrong": outcome.wrong,
    }


def _ground(lab: str | None, variables: dict[str, Any]) -> Ground:
    if lab is not None:
        return LabGround(Path(lab))
    every = variables["hostvars"]
    return Servers({name: every[name] for name in variables["groups"]["nodes"]})


def _plan(ground: Ground, arguments: dict[str, Any]) -> Plan:
    return plan(
        ground,
        arguments["drill"],
        arguments["variant"],
        node=arguments["node"],
        guest=arguments["guest"],
        ports={name: int(port) for name, port in arguments["ports"].items()},
    )


@contextmanager
def _alone(lab: str | None) -> Iterator[None]:
    """Two drills at once would take each other's strikes for their own."""
    file = Path(lab or "/run/lock") / "drover-drill.lock"
    with locked(file, 1.0, what=f"the end of another drill, which holds {file},"):
        yield


@contextmanager
def _ledgers(ground: Ground, arguments: dict[str, Any], check_mode: bool) -> Iterator[None]:
    """The containers that are named keep a ledger meanwhile."""
    for name in [] if check_mode else arguments["ledgers"]:
        ledgers.put(ground.runner(_where(ground, name)), name, arguments["program"])
    try:
        yield
    finally:
        for name in [] if check_mode else arguments["ledgers"]:
            try:
                ledgers.take_out(ground.runner(_where(ground, name)), name)
            except DroverError as error:
                display.warning(f"The ledger of {name} could not be taken out: {error}")


def _where(ground: Ground, guest: str) -> str:
    seen = cluster(ground).status().resource(guest)
    if seen is None or seen.node is None or not seen.agent.endswith(":container"):
        raise DroverError(f"{guest} is no container that runs, so no ledger can be put into it")
    return seen.node


def _say(line: str) -> None:
    display.display(f"  {time.strftime('%H:%M:%S')} {line}")


def _record(file: Path, found: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(found) + "\n")
