# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node with one VM under a libvirt that does as it is told, and what its agent is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Request
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.libvirt_migration import Progress
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

MIB = 1024**2
POLICY = {"max_downtime": 50, "bandwidth": 128 * MIB, "timeout": None, "auto_converge": False}
#: What was said to the cluster's journal.
RECORDED: list[dict[str, Any]] = []


class Host:
    """A node with one VM, which goes through ``states``: the next one after every call that changes it."""

    def __init__(self, *states: State, reason: str = "") -> None:
        self.states = list(states)
        self.reason = reason
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.deaf = False
        self.moving: list[Progress | None] = []

    def seen(self, _name: str) -> Seen:
        return Seen(self.states[0], self.reason)

    def progress(self, _name: str) -> Progress | None:
        return self.moving[0] if self.moving else None

    def outcome(self, _name: str) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(*arguments: Any, **_how: Any) -> None:
            shown = [str(argument) for argument in arguments if not str(argument).startswith("<")]
            self.calls.append(" ".join([name, *shown]))
            if name in self.fails:
                raise self.fails[name]
            if len(self.states) > 1 and not (name == "shut_down" and self.deaf) and not name.startswith("set"):
                self.states.pop(0)

        return do


def request(node: Path, action: str, seconds: float = 100, clock: FakeTime | None = None, **changes: Any) -> Request:
    clock = clock or FakeTime()
    definition = {
        "kind": "vm",
        "name": "web",
        "uuid": "5e6ab3e1-2c1f-5b52-9f35-2b31cf2e4d7e",
        "vcpus": 1,
        "max_vcpus": 1,
        "memory": 256 * MIB,
        "max_memory": 256 * MIB,
        "cpu": None,
        "firmware": "bios",
        "kernel": None,
        "disks": [
            {
                "target": "vda",
                "source": {"type": "file", "path": f"{node}/vda.qcow2", "format": "qcow2"},
                "size": MIB,
                "readonly": False,
            }
        ],
        "nics": [],
        "migration": POLICY,
        "stop_timeout": 30,
        **changes,
    }
    return Request(
        action, "web", {"definition": json.dumps(definition)}, Deadline(seconds, clock, clock.sleep), "n2", "n1"
    )
