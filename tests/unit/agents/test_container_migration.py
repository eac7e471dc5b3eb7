# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The move of a container on local storage as its agents make it: at its source, and at its target."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import container, container_migration, deadman
from ansible_collections.cspp.drover.plugins.module_utils.agents.ocf import AgentError, Code
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor import link
from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.migration import progress, rootfs_sender
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_receiver import Folder
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_sender import CopyError
from ansible_collections.cspp.drover.plugins.module_utils.storage import ownership
from ansible_collections.cspp.drover.tests.unit.agents.container_move import (
    HERE,
    WHOLE,
    FakeCopy,
    FakeSwitch,
    local_at,
    move_request,
    moving,
)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, rootfs: Path) -> list[dict[str, Any]]:
    """The journal's new entries; the copy, and all that it needs, are fakes."""
    entries: list[dict[str, Any]] = []
    monkeypatch.setattr(book, "record", entries.append)
    monkeypatch.setattr(rootfs_sender, "Copy", FakeCopy)
    monkeypatch.setattr(deadman, "DeadMansSwitch", FakeSwitch)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(progress, "progress", lambda *_arguments, **_fields: None)
    monkeypatch.setattr(link, "speed", lambda _node: None)
    monkeypatch.setattr(FakeCopy, "fails", {})
    monkeypatch.setattr(FakeCopy, "calls", [])
    return entries


@pytest.fixture
def arrived(rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container's folder at the target, with a whole copy in it."""
    folder = rootfs / "containers/web"
    (folder / "incoming/sbin").mkdir(parents=True)
    move = {"id": "1", "guest": "web", "started": "2026-11-24T00:00:00.000Z", "away": 0.5, "received": time.time()}
    (folder / "arrived").write_text(json.dumps(move))
    monkeypatch.setattr(ownership, "hand_over", lambda *words: FakeCopy.calls.append(f"hand over {' '.join(words)}"))
    monkeypatch.setattr(Folder, "discard", lambda _self, tree: FakeCopy.calls.append(f"discard {tree.name}"))
    return folder


def lose_a_node(monkeypatch: pytest.MonkeyPatch, during: str) -> None:
    """A node is lost, and the copy's progress is looked at during this step."""

    class Watched(FakeCopy):
        def __init__(self, *arguments: Any, watch: Any, **options: Any) -> None:
            self.watch = watch
            super().__init__(*arguments, **options)

        def _do(self, step: str) -> None:
            if step == during:
                self.watch(10, 1.0)
            super()._do(step)

    monkeypatch.setattr(rootfs_sender, "Copy", Watched)
    monkeypatch.setattr(container_migration, "giving_way", lambda _source: lambda: "node3 was lost")


def test_one_that_others_wait_for_goes_on_here(
    rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_a_node(monkeypatch, during="difference")
    with pytest.raises(AgentError, match="it goes on here: node3 was lost"):
        container_migration.migrate_to(move_request(rootfs, "migrate_to"), moving("RUNNING"))
    assert [(entry["result"], entry["gave_way"]) for entry in recorded] == [("failed", True)]
    assert "arm" not in FakeCopy.calls


def test_one_that_is_stopped_for_the_rest_does_not_make_way(
    rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_a_node(monkeypatch, during="last")
    host = moving("RUNNING", "STOPPED")
    assert container_migration.migrate_to(move_request(rootfs, "migrate_to"), host) is Code.SUCCESS


def test_a_container_is_copied_while_it_runs_and_stopped_for_the_rest(
    rootfs: Path, recorded: list[dict[str, Any]]
) -> None:
    host = moving("RUNNING", "STOPPED")
    assert container_migration.migrate_to(move_request(rootfs, "migrate_to"), host) is Code.SUCCESS
    assert FakeCopy.calls == [*WHOLE, "arrived 2 1010", "disarm", "close"]
    assert (rootfs.with_name("moved")).read_text() == "node2\n"
    # The record is the other node's to complete.
    assert recorded == []


@pytest.mark.parametrize(
    ("fails", "calls", "reason"),
    [
        ({"begin": [CopyError("node2: no room")]}, WHOLE[:2], "it goes on here: node2: no room"),
        (
            {"everything": [CopyError("it is full")]},
            [*WHOLE[:3], "drop", "close"],
            "it goes on here: it is full",
        ),
        (
            {"last": [CopyError("gone", transport=True)]},
            [*WHOLE, "start", "disarm", "drop", "close"],
            "it goes on here: the last difference: gone",
        ),
        (
            {"arrived": [CopyError("gone", transport=True)]},
            [*WHOLE, "arrived 2 1010", "start", "disarm", "drop", "close"],
            "it goes on here: the last difference: gone",
        ),
    ],
)
def test_a_move_that_fails_leaves_it_running(
    rootfs: Path, recorded: list[dict[str, Any]], fails: dict[str, list[Exception]], calls: list[str], reason: str
) -> None:
    FakeCopy.fails = fails
    # Stopped after the stop, and when asked whether it has to start again.
    host = moving("RUNNING", *(["STOPPED", "STOPPED"] if "arm" in calls else []), "RUNNING")
    with pytest.raises(AgentError, match=reason):
        container_migration.migrate_to(move_request(rootfs, "migrate_to"), host)
    assert FakeCopy.calls == calls
    assert [(entry["result"], reason in entry["reason"]) for entry in recorded] == [("failed", True)]
    assert not rootfs.with_name("moved").exists()


def test_a_lost_connection_is_made_anew(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    lost = CopyError("gone", transport=True)
    FakeCopy.fails = {"everything": [lost, lost], "again": [lost], "difference": [lost]}
    container_migration.migrate_to(move_request(rootfs, "migrate_to"), moving("RUNNING", "STOPPED"))
    again = ["everything", "again"] * 2
    assert FakeCopy.calls[2:9] == [*again, "everything", "difference", "again"]
    assert recorded == []


def test_a_connection_that_stays_lost_ends_it(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    FakeCopy.fails = {"everything": [CopyError("gone", transport=True) for _ in range(9)]}
    with pytest.raises(AgentError, match="gone"):
        container_migration.migrate_to(move_request(rootfs, "migrate_to"), moving("RUNNING"))
    assert FakeCopy.calls.count("everything") == 4
    assert FakeCopy.calls[-2:] == ["drop", "close"]
    assert len(recorded) == 1


@pytest.mark.parametrize(
    ("states", "changes", "reason"),
    [
        (["STOPPED"], {}, "not running here either: it is stopped"),
        (["FROZEN"], {}, "it is frozen"),
    ],
)
def test_what_cannot_move_is_not_begun(
    rootfs: Path, recorded: list[dict[str, Any]], states: list[str], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AgentError, match=reason):
        container_migration.migrate_to(move_request(rootfs, "migrate_to", **changes), moving(*states))
    assert FakeCopy.calls == []
    assert [reason in entry["reason"] for entry in recorded] == [True]


def test_on_shared_storage_there_is_nothing_to_copy(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    shared = {"rootfs": {"type": "directory", "path": "/pool/x"}}
    with pytest.raises(AgentError, match="on shared storage"):
        container_migration.migrate_to(move_request(rootfs, "migrate_to", **shared), moving("RUNNING"))
    assert (FakeCopy.calls, recorded) == ([], [])


def test_a_move_whose_agent_was_killed_is_on_record(
    rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [{"from": "node1", "to": "node2", "phase": "copying", "since": 1_700_000_000.5}, {}]
    monkeypatch.setattr(progress, "abandoned", lambda _guest: left.pop(0))
    monkeypatch.setattr(progress, "done", lambda _guest: None)
    for _again in range(2):
        assert container.monitor(move_request(rootfs, "monitor"), moving("RUNNING")) is Code.SUCCESS
    [entry] = recorded
    assert (entry["guest"], entry["kind"], entry["from"], entry["to"]) == ("web", "container", "node1", "node2")
    assert (entry["result"], entry["started"]) == ("failed", "2023-11-14T22:13:20.500Z")
    assert entry["reason"] == "its agent was killed (copying) on node1"


def test_it_starts_where_it_arrived_as_soon_as_it_is_that_nodes(
    rootfs: Path, arrived: Path, recorded: list[dict[str, Any]]
) -> None:
    call = move_request(rootfs, "migrate_from", **local_at(arrived))
    assert container_migration.migrate_from(call, moving("RUNNING")) is Code.SUCCESS
    assert FakeCopy.calls == [f"hand over web node1 {HERE}", "start"]
    assert [path.name for path in arrived.iterdir()] == ["rootfs"]
    [entry] = recorded
    assert (entry["result"], entry["id"]) == ("moved", "1")
    assert 500 <= entry["downtime_ms"] < 5000
    assert not {"away", "received"} & entry.keys()


def test_it_goes_back_when_it_does_not_start(rootfs: Path, arrived: Path, recorded: list[dict[str, Any]]) -> None:
    call = move_request(rootfs, "migrate_from", **local_at(arrived))
    with pytest.raises(AgentError, match="ended at once"):
        container_migration.migrate_from(call, moving("STOPPED"))
    assert FakeCopy.calls == [
        f"hand over web node1 {HERE}",
        "start",
        f"hand over web {HERE} node1",
        "discard rootfs",
    ]
    [entry] = recorded
    assert (entry["id"], entry["result"], entry["to"]) == ("1", "failed", HERE)
    assert "ended at once" in entry["reason"]


def test_half_a_copy_is_never_started(rootfs: Path, arrived: Path) -> None:
    (arrived / "arrived").unlink()
    with pytest.raises(AgentError, match="no whole copy"):
        container_migration.migrate_from(move_request(rootfs, "migrate_from", **local_at(arrived)), moving("STOPPED"))
    assert FakeCopy.calls == []


@pytest.mark.parametrize(
    ("there", "after"),
    [
        # The node lost its power between taking over and starting.
        ({"incoming", "arrived"}, {"rootfs"}),
        # A move from here came to nothing.
        ({"rootfs", "moved"}, {"rootfs"}),
        ({"rootfs", "incoming"}, {"rootfs", "incoming"}),
    ],
)
def test_a_start_finishes_what_a_move_has_left(
    rootfs: Path, arrived: Path, monkeypatch: pytest.MonkeyPatch, there: set[str], after: set[str]
) -> None:
    (arrived / "rootfs/sbin").mkdir(parents=True)
    (arrived / "moved").write_text("node2\n")
    for name in {"incoming", "arrived", "rootfs", "moved"} - there:
        path = arrived / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.setattr(ownership, "require_here", lambda *_arguments: FakeCopy.calls.append("asked"))
    monkeypatch.setattr(ownership, "forget_refusals", lambda _name: None)
    container.start(move_request(rootfs, "start", **local_at(arrived)), moving("STOPPED", "RUNNING"))
    assert FakeCopy.calls == ["asked", "start"]
    assert {path.name for path in arrived.iterdir()} == after


def test_a_move_that_is_not_understood_is_not_begun(rootfs: Path, recorded: list[dict[str, Any]]) -> None:
    with pytest.raises(AgentError, match="schema 99"):
        container_migration.migrate_to(move_request(rootfs, "migrate_to", schema=99), moving("RUNNING"))
    assert FakeCopy.calls == []


@pytest.mark.parametrize("when", ["arm", "disarm"])
def test_an_end_at_any_moment_of_the_switch_leaves_nobody_standing_by(
    rootfs: Path, recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def signalled(self: FakeSwitch) -> None:
        FakeCopy.calls.append(when)
        monkeypatch.setattr(FakeSwitch, when, unsignalled)
        os.kill(os.getpid(), signal.SIGTERM)

    unsignalled = getattr(FakeSwitch, when)
    monkeypatch.setattr(FakeSwitch, when, signalled)
    host = moving("RUNNING", "RUNNING" if when == "arm" else "STOPPED", "STOPPED", "RUNNING")
    with pytest.raises(AgentError, match="no longer waits"):
        container_migration.migrate_to(move_request(rootfs, "migrate_to"), host)
    assert FakeCopy.calls[-3:] == ["disarm", "drop", "close"]
    assert ("start" in FakeCopy.calls) is (when == "disarm")
    assert not rootfs.with_name("moved").exists()


def test_what_sets_a_move_right_is_not_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AgentError), container_migration._called_off():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            done = True
    assert done
