# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which moves a restart on a node waits for; and how it waits."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import MagicMock

import pytest

from ansible_collections.cspp.drover.plugins.action import units
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus, ResourceStatus
from ansible_collections.cspp.drover.plugins.module_utils.host.moves_under_way import concerning

GAME = {"guest": "game", "from": "node1", "to": "node2", "phase": "copying", "percent": 12.0}


def cluster(pending: str | None) -> ClusterStatus:
    game = MagicMock(spec=ResourceStatus, nodes=("node1",), pending=pending)
    game.name = "game"
    return ClusterStatus("node1", True, True, False, resources=(game,))


@pytest.mark.parametrize(
    ("node", "pending", "told", "lines"),
    [
        ("node1", "Migrating", [GAME], ["game: 12% to node2"]),
        ("node2", "Migrating", [GAME], ["game: 12% to node2"]),
        ("node3", "Migrating", [GAME], []),
        # Its agent has only just begun, and may have chosen any node.
        ("node3", "Migrating", [], ["game: on its way from node1"]),
        ("node3", "Starting", [], []),
        ("node3", None, [], []),
        ("node1", None, [{"guest": "game", "phase": "setup"}], ["game: getting ready to move to another node"]),
    ],
)
def test_moves_from_and_to_a_node(node: str, pending: str | None, told: list[dict[str, Any]], lines: list[str]) -> None:
    assert concerning(node, cluster(pending), told) == lines


def test_without_a_cluster_only_this_node_can_tell() -> None:
    assert concerning("node1", None, [GAME]) == ["game: 12% to node2"]
    assert concerning("node3", None, []) == []


class Task:
    """The action plugin, with a module that returns these results and a clock that its waits move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *results: dict[str, Any], patience: int, check: bool = False):
        self.shown: list[str] = []
        self.now = 0.0
        task = MagicMock(args={"restarted": ["libvirtd.service"], "patience": patience}, check_mode=check, async_val=0)
        self.plugin = units.ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
        self._results = iter(results)
        monkeypatch.setattr(self.plugin, "_execute_module", lambda *args, **more: next(self._results))
        monkeypatch.setattr(units.display, "display", self.shown.append)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self) -> dict[str, Any]:
        result: dict[str, Any] = self.plugin.run(task_vars={"inventory_hostname": "node1"})
        return result


WAITING = {"changed": False, "waiting_for": ["game: 12% to node2"]}
FURTHER = {"changed": False, "waiting_for": ["game: 80% to node2"]}
DONE = {"changed": True, "waiting_for": [], "actions": ["systemctl stop libvirtd.service"]}


def test_a_restart_waits_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(monkeypatch, WAITING, FURTHER, DONE, patience=60)
    result = task.run()
    assert result["changed"] and not result.get("failed")
    [line] = task.shown
    assert "node1 waits with a restart for game: 12% to node2" in line


def test_after_its_patience_nothing_is_restarted_and_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = Task(monkeypatch, *[FURTHER] * 9, patience=10).run()
    assert result["failed"]
    assert "libvirtd.service on node1 was not restarted" in result["msg"]
    assert "game: 80% to node2" in result["msg"] and "Run the same play again" in result["msg"]


def test_a_dry_run_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Task(monkeypatch, WAITING, patience=10, check=True).run().get("failed")
