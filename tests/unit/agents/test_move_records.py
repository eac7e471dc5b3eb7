# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of a container's moves on shared storage: a stop on one node and a start on another."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.tests.unit.agents.container_node import Host, request


@pytest.fixture
def journaled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(book, "record", entries.append)
    return entries


def stopped_on(node: str, rootfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "uname", lambda: SimpleNamespace(nodename=node))
        container.stop(request(rootfs, "stop"), Host("RUNNING", "STOPPED"))  # type: ignore[arg-type]


def test_a_stop_and_a_start_on_another_node_are_a_move(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_on("n9", rootfs, monkeypatch)
    assert container.start(request(rootfs, "start"), Host("STOPPED", "RUNNING")) is Code.SUCCESS  # type: ignore[arg-type]
    [entry] = journaled
    assert (entry["guest"], entry["kind"], entry["from"], entry["to"]) == (
        "web",
        "container",
        "n9",
        os.uname().nodename,
    )
    assert (entry["result"], entry["reason"]) == ("moved", "")
    assert 0 <= entry["downtime_ms"] < 10_000
    assert entry["started"] <= entry["ended"]
    # It is told once.
    container.start(request(rootfs, "start"), Host("STOPPED", "RUNNING"))  # type: ignore[arg-type]
    assert len(journaled) == 1
    assert sorted(path.name for path in rootfs.parent.iterdir()) == ["lease", "rootfs"]


def test_a_move_whose_start_fails_is_recorded_with_the_reason(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_on("n9", rootfs, monkeypatch)
    with pytest.raises(AgentError, match="ended at once"):
        container.start(request(rootfs, "start"), Host("STOPPED"))  # type: ignore[arg-type]
    [entry] = journaled
    assert entry["result"] == "failed" and "its init does not run" in entry["reason"]
    assert entry["downtime_ms"] is None


def test_a_start_that_took_long_leaves_the_journal_alone(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_on("n9", rootfs, monkeypatch)
    container.start(request(rootfs, "start", 2), Host("STOPPED", "RUNNING"))  # type: ignore[arg-type]
    assert journaled == []


@pytest.mark.parametrize("how", ["restarted here", "stopped for good", "unreadable", "local"])
def test_what_is_no_move_is_not_recorded(
    rootfs: Path, journaled: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "local":
        local = {"type": "directory", "path": str(rootfs), "shared": False}
        container.stop(request(rootfs, "stop", rootfs=local), Host("RUNNING", "STOPPED"))  # type: ignore[arg-type]
        assert [path.name for path in rootfs.parent.iterdir()] == ["rootfs"]
    else:
        stopped_on(os.uname().nodename if how == "restarted here" else "n9", rootfs, monkeypatch)
    if how == "stopped for good":
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 91)
    if how == "unreadable":
        (rootfs.parent / "stopped.json").write_text("{")
    container.start(request(rootfs, "start"), Host("STOPPED", "RUNNING"))  # type: ignore[arg-type]
    assert journaled == []
