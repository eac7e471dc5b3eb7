# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's local disks at the two ends of its migration."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.migration import disk_mirror, rootfs_receiver
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError
from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import PoolError

HERE = os.uname().nodename


class Stream:
    def settimeout(self, _seconds: float | None) -> None:
        pass


class Source:
    """The source's end of the connection: what it sends, and the word with which it ends; None when it just goes."""

    def __init__(self, word: str | None, seed: bytes = b"seed") -> None:
        self.word, self.stream, self.seed = word, Stream(), seed
        self.heard: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.heard.append(message)

    def exactly(self, size: int) -> bytes:
        if len(self.seed) < size:
            raise PeerError("the other node went away in the middle of it")
        return self.seed[:size]

    def receive(self) -> dict[str, Any]:
        if self.word is None:
            raise PeerError("gone")
        return {"then": self.word}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".drover-pool").write_text("here\n")
    monkeypatch.setattr(rootfs_receiver, "_LOCKS", tmp_path)
    monkeypatch.setattr(disk_mirror, "emulator_pid", lambda _guest: None)
    monkeypatch.setattr(disk_mirror, "keeper", lambda _guest: "n1")
    return tmp_path


def create(argv: Sequence[str], **_how: Any) -> CommandResult:
    Path(argv[-2]).write_text(argv[-1])
    return CommandResult(tuple(argv), 0, "", "")


def request(pool: Path, **changes: Any) -> dict[str, Any]:
    folder = pool / "vms" / "web"
    return {
        "guest": "web",
        "mark": "there",
        "disks": [{"path": str(folder / "vda.qcow2"), "format": "qcow2", "size": 4096, "used": 1024}],
        "seeds": [{"path": str(folder / "seed.img"), "size": 4}],
        **changes,
    }


def content(pool: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in pool.glob("vms/web/*")}


MADE = {"vda.qcow2": "4096", "seed.img": "seed"}


@pytest.mark.parametrize(
    ("word", "keeper", "left"),
    [("keep", "n1", MADE), ("drop", "n1", {}), (None, "n1", {}), (None, HERE, MADE), ("drop", HERE, MADE)],
)
def test_disks_stay_when_they_are_the_vms(
    pool: Path, monkeypatch: pytest.MonkeyPatch, word: str | None, keeper: str, left: dict[str, str]
) -> None:
    monkeypatch.setattr(disk_mirror, "keeper", lambda _guest: keeper)
    source: Any = Source(word)
    disk_mirror.make(request(pool), source, create)
    assert content(pool) == left


def test_a_migration_that_goes_on_without_its_agent_keeps_its_disks_to_its_end(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter([None, 7, 7, None])
    monkeypatch.setattr(disk_mirror, "emulator_pid", lambda _guest: next(seen))
    waits: list[dict[str, str]] = []
    monkeypatch.setattr(time, "sleep", lambda _seconds: waits.append(content(pool)))
    source: Any = Source(None)
    disk_mirror.make(request(pool), source, create)
    assert waits == [MADE, MADE]
    assert content(pool) == {}


def test_what_an_earlier_move_left_makes_room(pool: Path) -> None:
    folder = pool / "vms" / "web"
    folder.mkdir(parents=True)
    (folder / "vda.qcow2").write_text("old")
    source: Any = Source("keep")
    disk_mirror.make(request(pool), source, create)
    assert content(pool) == MADE


@pytest.mark.parametrize("keeper", [None, HERE])
def test_a_disk_that_may_be_the_vms_is_not_touched(
    pool: Path, monkeypatch: pytest.MonkeyPatch, keeper: str | None
) -> None:
    monkeypatch.setattr(disk_mirror, "keeper", lambda _guest: keeper)
    folder = pool / "vms" / "web"
    folder.mkdir(parents=True)
    (folder / "vda.qcow2").write_text("precious")
    source: Any = Source("keep")
    with pytest.raises(PeerError, match="nobody has moved away"):
        disk_mirror.make(request(pool), source, create)
    assert content(pool) == {"vda.qcow2": "precious"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mark": "here"}, "the same storage on both nodes"),
        (
            {"disks": [{"path": "/etc/vms/web/passwd", "format": "raw", "size": 1, "used": 1}]},
            "no storage pool at /etc",
        ),
        ({"guest": "other"}, "no place for the data of other"),
        ({"guest": "../x"}, "no place for a guest's data"),
    ],
)
def test_places_that_are_none_are_refused(pool: Path, changes: dict[str, Any], reason: str) -> None:
    source: Any = Source("keep")
    with pytest.raises((PeerError, PoolError), match=reason):
        disk_mirror.make(request(pool, **changes), source, create)
    assert content(pool) == {}


def test_a_full_pool_is_told_beforehand(pool: Path) -> None:
    source: Any = Source("keep")
    wish = request(pool)
    wish["disks"][0]["used"] = 1 << 60
    with pytest.raises(PeerError, match="no room for its disks"):
        disk_mirror.make(wish, source, create)


def test_a_disk_that_cannot_be_made_leaves_nothing(pool: Path) -> None:
    def fail(argv: Sequence[str], **how: Any) -> CommandResult:
        create(argv, **how)
        raise CommandError("qemu-img exited with 1")

    source: Any = Source("keep")
    with pytest.raises(CommandError, match="qemu-img exited"):
        disk_mirror.make(request(pool), source, fail)
    assert content(pool) == {}


@pytest.mark.parametrize(
    ("keeper", "runs_there", "left"), [("n2", True, {}), ("n2", False, MADE), (HERE, True, MADE), (None, True, MADE)]
)
def test_disks_left_at_the_source_go_when_the_vm_runs_elsewhere(
    pool: Path, monkeypatch: pytest.MonkeyPatch, keeper: str | None, runs_there: bool, left: dict[str, str]
) -> None:
    source: Any = Source("keep")
    disk_mirror.make(request(pool), source, create)
    monkeypatch.setattr(disk_mirror, "keeper", lambda _guest: keeper)
    paths = [pool / "vms" / "web" / name for name in MADE]
    disks = [{"source": {"path": str(path), "shared": False}} for path in paths]
    disk_mirror.tidy({"name": "web", "disks": disks}, lambda *_arguments: {"runs": runs_there})
    assert content(pool) == left
