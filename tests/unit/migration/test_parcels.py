# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trees that a container makes to be in the way of its move."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.deep_walk import deep_walk
from ansible_collections.cspp.drover.plugins.module_utils.migration import parcels
from ansible_collections.cspp.drover.plugins.module_utils.migration.parcels import is_giant, pack, unpack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")

OWNER = 10_065_536


class Recorded:
    """A connection whose one end says all before the other hears it."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def send(self, message: Mapping[str, Any]) -> None:
        self.said.append(dict(message))

    def send_block(self, data: bytes) -> None:
        self.said.append(data)

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = self.said.pop(0)
        return message

    def receive_block(self, longest: int) -> bytes:
        block: bytes = self.said.pop(0)
        assert len(block) <= longest
        return block


def deep(top: Path, levels: int, make: Callable[[int], None]) -> None:
    """Make a folder in a folder in a folder, and something in the last one."""
    here = os.open(top, os.O_RDONLY)
    for level in range(levels):
        os.mkdir("d" * 250, dir_fd=here)
        os.chown("d" * 250, OWNER + level, OWNER, dir_fd=here)
        down = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = down
    make(here)
    os.close(here)


def odd(here: int) -> None:
    """One of everything."""

    def put(name: str, content: bytes, mode: int = 0o644) -> None:
        opened = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=here)
        os.write(opened, content)
        os.fchown(opened, OWNER + 33, OWNER + 34)
        os.fchmod(opened, mode)
        os.close(opened)

    put("plain", b"plain" * 100_000)
    put("setuid", b"x", 0o6755)
    put("-rf", b"dash")
    put("new\nline \udce9", b"odd")
    os.link("plain", "linked", src_dir_fd=here, dst_dir_fd=here)
    os.setxattr(f"/proc/self/fd/{here}/plain", "user.colour", b"green")
    os.symlink("/etc/passwd", "link", dir_fd=here)
    os.chown("link", OWNER, OWNER, dir_fd=here, follow_symlinks=False)
    os.mkfifo("fifo", 0o620, dir_fd=here)
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3), dir_fd=here)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{here}/socket")
    os.mkdir("empty", 0o2700, dir_fd=here)
    os.utime("plain", ns=(10**18, 10**18 + 123456789), dir_fd=here)
    os.utime("empty", ns=(10**18, 10**18 + 1), dir_fd=here)


def told(root: Path) -> list[Any]:
    """All there is to know of a tree."""
    top, found = os.open(root, os.O_RDONLY), list[Any]()
    files: dict[int, int] = {}
    for entry in deep_walk(top):
        status, kind = entry.status, stat.S_IFMT(entry.status.st_mode)
        if entry.left:
            continue
        same = files.setdefault(status.st_ino, len(files))
        known = [entry.name, status.st_mode, status.st_uid, status.st_gid, status.st_rdev, status.st_mtime_ns, same]
        known += [{x: os.getxattr(entry.place, x, follow_symlinks=False) for x in parcels._attributes(entry.place)}]
        if kind == stat.S_IFREG:
            opened = os.open(entry.name, os.O_RDONLY, dir_fd=entry.within)
            known += [status.st_size, os.pread(opened, 1 << 20, 0), status.st_nlink]
            os.close(opened)
        elif kind == stat.S_IFLNK:
            known.append(os.readlink(entry.name, dir_fd=entry.within))
        found.append(known)
    os.close(top)
    return sorted(found, key=str)


def sent(here: Path, there: Path, name: str) -> None:
    wire = Recorded()
    pack(here, os.fsencode(name), wire)
    wire.send({"done": True})
    unpack(there, wire)
    assert wire.said == []


@pytest.mark.parametrize("levels", [1, 30])
def test_a_folder_arrives_however_deep_it_is(tmp_path: Path, levels: int) -> None:
    here, there = tmp_path / "here/rootfs/a", tmp_path / "there/incoming/a"
    for top in (here, there):
        (top / "b").mkdir(parents=True)
    deep(here / "b", levels, odd)
    for _ in range(2):  # what is there makes way
        sent(here.parent, there.parent, f"a/b/{'d' * 250}")
        assert told(there / "b") == told(here / "b")
    assert sorted(path.name for path in there.parents[1].iterdir()) == ["incoming"]


def test_a_file_with_a_tib_of_hole_arrives_at_once(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for top in (here, there):
        top.mkdir()
    with (here / "giant").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"in the middle" * 50_000)
        file.seek((1 << 40) - 3)
        file.write(b"end")
    assert is_giant((here / "giant").stat())
    (there / "giant").mkdir()
    sent(here, there, "giant")
    arrived = (there / "giant").stat()
    assert (arrived.st_size, arrived.st_blocks) == (1 << 40, (here / "giant").stat().st_blocks)
    with (there / "giant").open("rb") as file:
        file.seek(1 << 39)
        assert file.read(650_000) == b"in the middle" * 50_000
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"end"


@pytest.mark.parametrize("name", ["..", "a/b", ""])
def test_nothing_is_made_elsewhere(tmp_path: Path, name: str) -> None:
    wire = Recorded()
    (tmp_path / "there").mkdir()
    for message in ({"name": name, "mode": stat.S_IFDIR, "owner": [0, 0], "modified": 0}, {"done": True}):
        wire.send(message)
    with pytest.raises(OSError, match="is no name"):
        unpack(tmp_path / "there", wire)


def test_no_symbolic_link_leads_out(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a").symlink_to("/etc")
    wire = Recorded()
    wire.send({"in": "a"})
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        unpack(tmp_path / "there", wire)
