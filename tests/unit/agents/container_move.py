# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container on local storage that is about to move: its copy and its dead-man's switch do as they are told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import Request
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_sender import Pass
from ansible_collections.cspp.drover.tests.unit.agents.container_node import Host, request


class FakeCopy:
    """A copy that goes as told: ``fails`` has by step the errors that it meets, one after the other."""

    fails: ClassVar[dict[str, list[Exception]]] = {}
    calls: ClassVar[list[str]] = []

    def __init__(self, guest: str, root: Path, node: str, **_options: Any) -> None:
        self.passes: list[Pass] = []
        self.size = 100
        self._do(f"begin {guest} {node}")

    def _do(self, step: str) -> None:
        self.calls.append(step)
        errors = self.fails.get(step.partition(" ")[0])
        if errors:
            raise errors.pop(0)

    def __enter__(self) -> FakeCopy:
        return self

    def __exit__(self, *_error: object) -> None:
        self._do("close")

    def everything(self) -> None:
        self._do("everything")
        self.passes.append(Pass(9.0, 1000))

    def difference(self) -> None:
        self._do("difference")
        self.passes.append(Pass(0.5, 10))

    @contextmanager
    def last_difference(self) -> Iterator[Callable[[], None]]:
        yield lambda: self._do("last")

    def arrived(self, move: dict[str, Any]) -> None:
        assert move["away"] >= 0
        self._do(f"arrived {move['rounds']} {move['bytes']}")

    def again(self) -> None:
        self._do("again")

    def drop(self) -> None:
        self._do("drop")


class FakeSwitch:
    def __init__(self, _definition: dict[str, Any]) -> None:
        FakeCopy.calls.append("switch")

    def __enter__(self) -> FakeSwitch:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def arm(self) -> None:
        FakeCopy.calls.append("arm")

    def disarm(self) -> None:
        FakeCopy.calls.append("disarm")


def move_request(rootfs: Path, action: str, /, **changes: Any) -> Request:
    local = {"rootfs": {"type": "directory", "path": str(rootfs), "shared": False}}
    policy = {"migration": {"bandwidth": None, "timeout": None}}
    return request(rootfs, action, 1000, **{**local, **policy, **changes})._replace(source="node1", target="node2")


def moving(*states: str) -> Any:
    host: Any = Host(*states)
    host.stop = lambda _name, patience, **_options: FakeCopy.calls.append(f"stop {patience}")
    host.start = lambda *_arguments: FakeCopy.calls.append("start")
    return host


WHOLE = ["switch", "begin web node2", "everything", "difference", "arm", "stop 30", "last"]
HERE = os.uname().nodename


def local_at(folder: Path) -> dict[str, Any]:
    return {"rootfs": {"type": "directory", "path": str(folder / "rootfs"), "shared": False}}
