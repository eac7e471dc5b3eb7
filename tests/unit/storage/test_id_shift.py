# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of a container that change hands: with all that has ids in it, wherever it was interrupted."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.deep_walk import deep_walk
from ansible_collections.cspp.drover.plugins.module_utils.storage import id_shift
from ansible_collections.cspp.drover.plugins.module_utils.storage.id_shift import IdRange, Unfinished, settle

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")

SHARED, OWN, NODES = IdRange(10_000_000), IdRange(10_000_000 + 7 * 65536), IdRange(0)
DEEP = 40


def access_list(*named: int) -> bytes:
    entries = [(1, 6, -1), *((2, 7, who) for who in named), (4, 4, -1), *((8, 5, who) for who in named)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in [*entries, (16, 7, -1), (32, 0, -1)])


def capability(root: int) -> bytes:
    value = struct.pack("<IIIII", (0x03000000 if root else 0x02000000) | 1, 1 << 13, 0, 0, 0)
    return value + struct.pack("<I", root) if root else value


def make(rootfs: Path, ids: IdRange) -> None:
    """A tree of a container with that range, with one of everything that has ids in it or depends on its owner."""
    base = ids.start
    rootfs.mkdir(parents=True)
    os.chown(rootfs, base, base)
    for name, owner, group, mode in (
        ("plain", 0, 0, 0o644),
        ("owned", 33, 65535, 0o600),
        ("setuid", 0, 0, 0o4755),
        ("setgid", 0, 42, 0o2755),
        ("capable", 0, 0, 0o755),
        ("listed", 5, 5, 0o664),
    ):
        (rootfs / name).write_text(name)
        os.chown(rootfs / name, base + owner, base + group)
        (rootfs / name).chmod(mode)
    os.setxattr(rootfs / "capable", "security.capability", capability(base))
    os.setxattr(rootfs / "listed", "system.posix_acl_access", access_list(base + 33))
    (rootfs / "folder").mkdir(mode=0o2775)
    os.chown(rootfs / "folder", base, base + 50)
    os.setxattr(rootfs / "folder", "system.posix_acl_default", access_list(base + 1))
    os.link(rootfs / "setuid", rootfs / "folder/linked")
    os.symlink("/etc", rootfs / "link")
    os.lchown(rootfs / "link", base + 7, base + 7)
    os.mkfifo(rootfs / "fifo", 0o620)
    os.chown(rootfs / "fifo", base + 1, base + 1)
    # Nobody of the container's: it stays so.
    (rootfs / "foreign").touch()
    os.chown(rootfs / "foreign", 4_000_000_000, 4_000_000_000)
    here = os.open(rootfs, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d" * 250, dir_fd=here)
        os.chown("d" * 250, base + 3, base + 3, dir_fd=here)
        down = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = down
    os.close(here)


def told(rootfs: Path) -> dict[str, Any]:
    """Everything about a tree that changes hands with it."""
    top = os.open(rootfs, os.O_RDONLY)
    try:
        status = os.fstat(top)
        found: dict[str, Any] = {"": [status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)]}
        for depth, entry in enumerate(deep_walk(top)):
            if not entry.left:
                attributes = os.listxattr(entry.place, follow_symlinks=False)
                name = entry.name if len(entry.name) < 250 else f"deep {depth}"
                found[name] = [
                    *(entry.status.st_uid, entry.status.st_gid, entry.status.st_mode, entry.status.st_nlink),
                    {one: os.getxattr(entry.place, one, follow_symlinks=False) for one in sorted(attributes)},
                ]
        return found
    finally:
        os.close(top)


def plenty() -> float:
    return 60.0


@pytest.mark.parametrize(("old", "new"), [(SHARED, OWN), (NODES, OWN), (OWN, NODES), (OWN, SHARED)])
def test_a_tree_becomes_what_it_had_been_had_it_been_made_for_the_other_range(
    tmp_path: Path, old: IdRange, new: IdRange
) -> None:
    make(tmp_path / "web/rootfs", old)
    make(tmp_path / "expected/rootfs", new)
    assert settle(tmp_path / "web/rootfs", new, plenty) > DEEP
    assert told(tmp_path / "web/rootfs") == told(tmp_path / "expected/rootfs")
    assert [path.name for path in (tmp_path / "web").iterdir()] == ["rootfs"]
    assert settle(tmp_path / "web/rootfs", new, plenty) == 0


class Killed(BaseException):
    pass


def kills() -> Iterator[tuple[str, int]]:
    yield from ((call, number) for call in ("chown", "chmod", "setxattr") for number in range(0, 60, 3))


@pytest.mark.parametrize(("call", "number"), list(kills()))
def test_whoever_is_killed_in_the_middle_can_do_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    rootfs = tmp_path / "web/rootfs"
    make(rootfs, SHARED)
    make(tmp_path / "expected/rootfs", OWN)
    left, real = [number], getattr(os, call)

    def dies(*arguments: Any, **more: Any) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        real(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, dies)
        try:
            settle(rootfs, OWN, plenty)
        except Killed:
            assert (rootfs.parent / "shifting").exists()
            assert rootfs.stat().st_uid == SHARED.start
    settle(rootfs, OWN, plenty)
    assert told(rootfs) == told(tmp_path / "expected/rootfs")


def test_what_was_begun_for_another_range_is_ended_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rootfs = tmp_path / "web/rootfs"
    make(rootfs, SHARED)
    make(tmp_path / "expected/rootfs", NODES)
    monkeypatch.setattr(id_shift, "_STRIDE", 1)
    # Time enough for the list of what is special, and half of the rest.
    clock = iter([60.0] * (2 * DEEP + 40) + [0.0] * 1000)
    with pytest.raises(Unfinished, match="after"):
        settle(rootfs, OWN, lambda: next(clock))
    settle(rootfs, NODES, plenty)
    assert told(rootfs) == told(tmp_path / "expected/rootfs")


def test_nobody_else_passes_through_a_containers_folder(tmp_path: Path) -> None:
    id_shift.confine(tmp_path, OWN)
    status = tmp_path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, OWN.start, 0o750)
