# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node with one container under an LXC that does as it is told, and what its agent is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Request
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import Deadline
from ansible_collections.cspp.drover.tests.unit.fake_cluster import FakeTime

MIB = 1024**2


class Host:
    """A node with one container, which goes through ``states``: the next one after every look."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.calls: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.live = ""

    def state(self, _name: str) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def config(self, _name: str) -> str:
        return self.live

    def write_config(self, _name: str, config: str) -> None:
        self.live = config

    def __getattr__(self, name: str) -> Callable[..., None]:
        def do(_name: str, *arguments: object, **options: object) -> None:
            what = [str(argument) for argument in arguments if isinstance(argument, (int, dict))]
            what += [f"{key}={value}" for key, value in options.items()]
            self.calls.append(" ".join([name, *what]))
            if name in self.fails:
                raise self.fails[name]

        return do


def definition(rootfs: Path, /, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "container",
        "name": "web",
        "vcpus": 1,
        "memory": 256 * MIB,
        "privileged": False,
        "idmap": {"start": 10000000, "count": 65536},
        "rootfs": {"type": "directory", "path": str(rootfs)},
        "nics": [],
        "stop_timeout": 30,
        **changes,
    }


def request(rootfs: Path, action: str, seconds: float = 100, /, **changes: Any) -> Request:
    clock = FakeTime()
    parameters = {"definition": json.dumps(definition(rootfs, **changes))}
    return Request(action, "web", parameters, Deadline(seconds, clock, clock.sleep))
