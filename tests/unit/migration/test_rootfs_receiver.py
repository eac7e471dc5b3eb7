# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node takes from another, and what it keeps of it."""

from __future__ import annotations

import os
import socket
import syslog
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.migration import rootfs_receiver
from ansible_collections.cspp.drover.plugins.module_utils.migration.rootfs_receiver import Folder, tidy
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer, PeerError, Refusal
from ansible_collections.cspp.drover.plugins.module_utils.storage.pool_mark import PoolError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A container's folder in a pool."""
    monkeypatch.setattr(syslog, "syslog", lambda *_arguments: None)
    monkeypatch.setattr(rootfs_receiver, "_LOCKS", tmp_path)
    monkeypatch.setattr(Folder, "discard", lambda _self, tree: tree.rename(tree.with_name(f"discarded {tree.name}")))
    (tmp_path / ".drover-pool").write_text("one\n")
    (tmp_path / "containers/web").mkdir(parents=True)
    return Folder(tmp_path / "containers/web/rootfs")


def contents(folder: Folder) -> set[str]:
    return {path.name for path in folder.rootfs.parent.iterdir()}


@pytest.mark.parametrize(
    ("guest", "path", "reason"),
    [
        ("web", "{pool}/containers/web/rootfs", None),
        ("web", "{pool}/containers/mail/rootfs", "no place for the data of web"),
        ("web", "{pool}/containers/web/other", "no place for the data of web"),
        ("web", "{pool}/vms/web/rootfs", "no place for the data of web"),
        ("..", "{pool}/containers/../rootfs", "no place for a guest's data"),
        ("web", "{pool}/x/../containers/web/rootfs", "no place for a guest's data"),
        ("web", "containers/web/rootfs", "no place for a guest's data"),
        ("web", "/etc/containers/web/rootfs", "no storage pool at /etc"),
    ],
)
def test_only_a_containers_place_in_a_pool_is_taken(
    folder: Folder, tmp_path: Path, guest: str, path: str, reason: str | None
) -> None:
    path = path.format(pool=tmp_path)
    if reason is None:
        assert Folder.of(guest, path) == folder
    else:
        with pytest.raises(PoolError, match=reason):
            Folder.of(guest, path)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["-lHogDtpAXrSe.LsfxCIvu", "-@-1", "--bwlimit=1024", "--delete", "--numeric-ids", "--partial"], None),
        (["-lHogDtpAXSde.LsfxCIvu", "--ignore-times", "--force", "--delete-missing-args", "--from0"], None),
        (["--sender"], "--sender"),
        (["--log-file=/etc/passwd"], "--log-file"),
        (["--temp-dir=/root"], "--temp-dir"),
        (["--delete", "/etc"], "/etc"),
    ],
)
def test_rsync_is_started_with_nothing_that_leads_elsewhere(
    folder: Folder, options: list[str], refused: str | None
) -> None:
    request = {"guest": "web", "path": str(folder.rootfs), "options": options}
    # Nothing is expected there yet: it would refuse that next.
    with pytest.raises(PeerError, match=refused or "nothing is expected"):
        rootfs_receiver.copy(request, None)  # type: ignore[arg-type]


class Stopped:
    def state(self, _name: str) -> str:
        return "STOPPED"


@pytest.mark.parametrize(
    ("there", "after"),
    [
        (set(), {"incoming"}),
        ({"incoming"}, {"incoming"}),
        ({"incoming", "arrived"}, {"incoming"}),
        # An old copy makes a new one shorter.
        ({"rootfs", "moved"}, {"incoming"}),
        ({"rootfs", "moved", "incoming"}, {"incoming", "discarded rootfs"}),
        ({"rootfs"}, None),
    ],
)
def test_what_an_earlier_move_left_makes_way_or_is_gone_on_with(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, there: set[str], after: set[str] | None
) -> None:
    monkeypatch.setattr(rootfs_receiver, "LxcHost", Stopped)
    monkeypatch.setattr(rootfs_receiver, "keeper", lambda _guest: None)
    make(folder, there)
    if after is None:
        with pytest.raises(PeerError, match="nobody has moved away"):
            rootfs_receiver._prepare("web", folder)
    else:
        rootfs_receiver._prepare("web", folder)
        assert contents(folder) == after


@pytest.mark.parametrize(("keeper", "taken"), [("elsewhere", True), (os.uname().nodename, False), (None, False)])
def test_the_cluster_knows_that_it_was_moved_away_when_the_node_has_forgotten(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, keeper: str | None, taken: bool
) -> None:
    monkeypatch.setattr(rootfs_receiver, "LxcHost", Stopped)
    monkeypatch.setattr(pacemaker.Pacemaker, "data_of", lambda _self, _guest: keeper)
    make(folder, {"rootfs"})
    if taken:
        rootfs_receiver._prepare("web", folder)
        assert contents(folder) == {"incoming"}
    else:
        with pytest.raises(PeerError, match="nobody has moved away"):
            rootfs_receiver._prepare("web", folder)


def test_that_it_was_moved_away_is_on_the_disk(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    folder.note_moved("node2")
    assert folder.moved.read_text() == "node2\n"
    assert str(folder.rootfs.parent) in synced


@pytest.mark.parametrize(
    ("script", "size"),
    [("printf '4096\\t.\\n'", 4096), ("printf '4096\\t.\\n'; exit 1", 4096), ("exit 1", None), ("exit 2", None)],
)
def test_files_that_vanish_are_no_reason_not_to_count_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, size: int | None
) -> None:
    (tmp_path / "du").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "du").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if size is None:
        with pytest.raises(CommandError):
            rootfs_receiver.occupied(tmp_path)
    else:
        assert rootfs_receiver.occupied(tmp_path) == size


def test_a_counter_that_aborts_is_no_reason_not_to_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "du").write_text("#!/bin/sh\nkill -ABRT $$\n")
    (tmp_path / "du").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    tree = tmp_path / "tree" / "folder"
    tree.mkdir(parents=True)
    (tree / "file").write_bytes(bytes(100_000))
    assert 100_000 <= rootfs_receiver.occupied(tmp_path / "tree") < 200_000


def converse(folder: Folder, *words: dict[str, Any]) -> Peer:
    """The other node's end, after it has said these words and hears the answers."""
    here, there = (Peer(end) for end in socket.socketpair())  # type: ignore[arg-type]
    for word in words:
        there.send(word)
    there.stream.shutdown(socket.SHUT_WR)
    rootfs_receiver._converse(folder, here)
    here.close()
    return there


def test_the_other_node_hears_what_is_here(folder: Folder) -> None:
    make(folder, {"incoming"})
    (folder.incoming / "file").touch()
    peer = converse(folder, {"then": "entries"}, {"then": "sync"}, {"then": "arrived", "move": {"id": "1"}})
    blocks = list(iter(lambda: peer.receive_block(1 << 20), b""))
    assert [entry.split(b" ", 8)[8] for entry in b"".join(blocks).split(b"\0")[:-1]] == [b"", b"file"]
    assert [peer.receive() for _word in range(3)] == [{}, {}, {}]
    arrival = folder.arrival()
    assert arrival is not None and arrival["id"] == "1"


def test_what_goes_wrong_is_the_answer_and_nothing_is_dropped_for_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_tree: Path) -> None:
        raise CommandError("sync did not end within 3600 s")

    make(folder, {"incoming"})
    monkeypatch.setattr(rootfs_receiver, "_sync", broken)
    peer = converse(folder, {"then": "sync"}, {"then": "list"}, {"then": "drop"})
    with pytest.raises(Refusal, match="did not end within"):
        peer.receive()
    with pytest.raises(Refusal, match=r"'list' is not understood here.*run site.yml"):
        peer.receive()
    assert peer.receive() == {}
    assert contents(folder) == {"discarded incoming"}


def test_a_list_that_is_cut_short_is_followed_by_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Peer.send_block

    def cut_short(peer: Peer, data: bytes) -> None:
        if data:
            raise PeerError("the other node went away: timed out")
        whole(peer, data)

    make(folder, {"incoming"})
    monkeypatch.setattr(Peer, "send_block", cut_short)
    peer = converse(folder, {"then": "entries"}, {"then": "drop"})
    assert peer.receive_block(1) == b""
    assert peer.some(1000) == b""
    assert contents(folder) == {"incoming"}


def make(folder: Folder, names: set[str]) -> None:
    for name in names:
        path = folder.rootfs.with_name(name)
        if name in ("arrived", "moved"):
            path.write_text('{"id": "1"}')
        else:
            path.mkdir()


def test_what_is_discarded_goes_in_the_background(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "containers/web/rootfs")
    for name in ("rootfs/etc", "incoming/etc", "gone.1/left"):
        (folder.rootfs.parent / name).mkdir(parents=True)
    folder.discard(folder.incoming)
    assert not folder.incoming.exists()
    wait_for(lambda: contents(folder), lambda names: names == {"rootfs"}, what="the end", timeout=5, interval=0.05)
    folder.discard(folder.rootfs)
    wait_for(folder.rootfs.parent.exists, lambda there: not there, what="the folder's end", timeout=5, interval=0.05)


def test_a_copy_counts_when_it_is_whole(folder: Folder) -> None:
    assert folder.arrival() is None
    make(folder, {"incoming"})
    assert folder.arrival() is None
    make(folder, {"arrived", "rootfs", "moved"})
    assert folder.arrival() == {"id": "1"}
    folder.take_over()
    assert contents(folder) == {"rootfs", "discarded rootfs"}
    assert folder.arrival() is None


@pytest.mark.parametrize(
    ("keeper", "running", "there", "after"),
    [
        ("node2", True, {"rootfs", "moved"}, None),
        ("node2", True, {"incoming"}, None),
        ("node2", True, {"incoming", "arrived"}, None),
        ("node2", True, {"rootfs"}, {"rootfs"}),
        # Who knows what became of it there.
        ("node2", False, {"rootfs", "moved", "incoming"}, {"rootfs", "moved", "incoming"}),
        ("here", True, {"rootfs", "moved", "incoming"}, {"rootfs", "moved", "incoming"}),
        # It was removed from the cluster, and its disks were to stay.
        (None, True, {"rootfs", "moved", "incoming"}, {"rootfs", "moved"}),
    ],
)
def test_old_copies_go_when_the_container_runs_elsewhere(
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    keeper: str | None,
    running: bool,
    there: set[str],
    after: set[str] | None,
) -> None:
    def ask(node: str, request: dict[str, Any], _timeout: float) -> dict[str, Any]:
        assert (node, request["do"]) == ("node2", "runs")
        return {"runs": running}

    monkeypatch.setattr(pacemaker.Pacemaker, "data_of", lambda _self, _guest: keeper)
    monkeypatch.setattr(os, "uname", lambda: type("Node", (), {"nodename": "here"}))
    monkeypatch.setattr(Folder, "discard", lambda _self, tree: tree.rmdir())
    monkeypatch.setattr(Folder, "sweep", lambda self: any(self.rootfs.parent.iterdir()) or self.rootfs.parent.rmdir())
    make(folder, there)
    tidy("web", str(folder.rootfs), ask)
    assert (contents(folder) if folder.rootfs.parent.exists() else None) == after
