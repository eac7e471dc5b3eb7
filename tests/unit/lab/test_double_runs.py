# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a guest ever ran twice, by what is seen of its processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.lab.double_runs import Instance, Runs, Watcher

HERE, THERE = Instance("node1", 7, "100"), Instance("node2", 9, "200")


def spans(**looks: str) -> dict[Instance, str]:
    """When each instance worked: a character per look, x for work."""
    return {{"here": HERE, "there": THERE}[name]: text for name, text in looks.items()}


@pytest.mark.parametrize(
    ("seen", "twice"),
    [
        pytest.param(spans(here="xxxxx", there="....."), False, id="it stays"),
        pytest.param(spans(here="xxxxx.....", there="......xxxx"), False, id="it moves"),
        pytest.param(spans(here="xxxxx.....", there="....xxxxxx"), False, id="both in the look of the switch-over"),
        pytest.param(spans(here="xxxxxxxxxx", there=".x..x....."), False, id="one that is set up works for a moment"),
        pytest.param(spans(here="xxxxx..xxx", there="...x......"), False, id="it comes back before it ran there"),
        pytest.param(spans(here="xxxxxxxxxx", there="....xxxxxx"), True, id="both for long"),
        pytest.param(spans(here="xxxx....xx", there="....xx...."), True, id="it goes on here after it ran there"),
        pytest.param(spans(here="xxxx......", there="....xxx..."), False, id="it ends there"),
    ],
)
def test_runs(seen: dict[Instance, str], twice: bool) -> None:
    runs = Runs()
    for look in range(len(seen[HERE])):
        runs.note(look + 1, [one for one, text in seen.items() if text[look] == "x"])
    assert bool(runs.twice) is twice, runs.twice


class Node:
    """A node with the processes that it is given: command line, and nanoseconds that a virtual CPU has worked."""

    def __init__(self, name: str, proc: Path) -> None:
        self.name, self._proc = name, proc
        self._lines: dict[int, list[str]] = {}

    def put(self, pid: int, line: list[str], worked: int = 0) -> None:
        self._lines[pid] = line
        task = self._proc / "proc" / str(pid) / "task" / str(pid)
        task.mkdir(parents=True, exist_ok=True)
        (task / "comm").write_text("CPU 0/TCG\n")
        (task / "schedstat").write_text(f"{worked} 0 0\n")

    def pids(self) -> list[int]:
        return list(self._lines)

    def words(self, pid: int) -> list[str]:
        return self._lines[pid]

    def path(self, path: str) -> Path:
        return self._proc / path.lstrip("/")

    def init(self, monitor: int, pid: int) -> None:
        """The first process of a container, which its monitor has started."""
        (self._proc / "proc" / str(monitor) / "task" / str(monitor) / "children").write_text(f"{pid} ")
        (self._proc / "proc" / str(pid)).mkdir(parents=True)
        (self._proc / "proc" / str(pid) / "status").write_text(f"Name:\tsystemd\nNSpid:\t{pid}\t1\nThreads:\t1\n")

    def read(self, path: str) -> str:
        if path.endswith("/stat"):
            return "7 (name) S 1 " + " ".join(["0"] * 30)
        found = self.path(path)
        return found.read_text() if found.exists() else ""


def vm(name: str) -> list[str]:
    return ["/usr/bin/qemu-system-x86_64", "-name", f"guest={name},debug-threads=on"]


def container(name: str) -> list[str]:
    return [f"[lxc monitor] /run/drover/lxc {name}"]


@pytest.fixture
def nodes(tmp_path: Path) -> dict[str, Any]:
    return {name: Node(name, tmp_path / name) for name in ("node1", "node2")}


def test_of_several_guests_each_is_told_apart(nodes: dict[str, Any]) -> None:
    watcher = Watcher(["game", "shop", "web"], nodes)
    nodes["node1"].put(10, container("web"))
    nodes["node1"].init(10, 11)
    for look in range(1, 6):
        # The one works on both nodes, the other on one, while its process on the other waits to come in.
        for node in nodes.values():
            node.put(7, vm("game"), worked=look * 5_000_000)
        nodes["node1"].put(8, vm("shop"), worked=look * 5_000_000)
        nodes["node2"].put(8, vm("shop"), worked=0)
        nodes["node1"].put(9, vm("gamer"), worked=look * 5_000_000)
        watcher.look()
    assert watcher.runs["game"].twice == []  # both had begun in the same look
    # One whose init has ended, while its successor begins, is none any more.
    nodes["node2"].put(10, container("web"))
    watcher.look()
    assert watcher.containers["web"] == 1
    nodes["node2"].init(10, 11)
    watcher.look()
    watcher.start()
    twice = watcher.stop()
    assert twice["web"] == ["2 containers at once"]
    assert twice["shop"] == []


def test_one_that_begins_while_another_works_runs_twice(nodes: dict[str, Any]) -> None:
    watcher = Watcher(["game"], nodes)
    for look in range(1, 10):
        nodes["node1"].put(7, vm("game"), worked=look * 5_000_000)
        if look > 3:
            nodes["node2"].put(7, vm("game"), worked=look * 5_000_000)
        watcher.look()
    watcher.start()
    assert watcher.stop()["game"] == ["on node1 after it had begun on node2"]
