# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rsync cannot carry of a container's files, sent entry by entry.

- Folders so deep that the kernel takes no path to what is in them (4,096 bytes): only a program that goes down step by
  step makes them, or one that wants to be in the way.
- Files with more hole than a disk holds data: rsync reads the holes, which takes it hours for a TiB that is not there.

The other end gets a message for each entry (:func:`unpack`): ``in``, the folder that what follows is in; ``name`` with
all there is to know of an entry, of a folder before what is in it; after a file's, its data in blocks, each with its
offset in front, and an empty one; ``up`` when a folder is whole.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ..core.deep_walk import Entry, deep_walk, through

__all__ = ["GIANT", "LONGEST", "is_giant", "pack", "unpack"]

#: Bytes of a path within the tree from which on a folder is sent this way. Below, all of it is a path that works.
LONGEST = 3000
#: Bytes of holes from which on a file is sent this way.
GIANT = 16 << 30
_BLOCK = 1 << 18
_OFFSET = struct.Struct("!Q")


class Wire(Protocol):
    """As much of a connection as is needed (peer/channel.py)."""

    def send(self, message: Mapping[str, Any]) -> None: ...
    def send_block(self, data: bytes) -> None: ...
    def receive(self) -> dict[str, Any]: ...
    def receive_block(self, longest: int) -> bytes: ...


def is_giant(status: os.stat_result) -> bool:
    """Whether a file has that much hole."""
    return stat.S_ISREG(status.st_mode) and status.st_size - status.st_blocks * 512 >= GIANT


def pack(root: Path, name: bytes, wire: Wire, watch: Callable[[int], None] = lambda _bytes: None) -> None:
    """Send one entry of a tree, with all that is in it. ``watch`` is told the bytes as they go.

    Raises OSError, also when it changes meanwhile.
    """
    folder, _, last = os.fsdecode(name).rpartition("/")
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        within = through(top, folder)
    finally:
        os.close(top)
    names: dict[tuple[int, int], int] = {}
    try:
        wire.send({"in": folder})
        status = os.stat(last, dir_fd=within, follow_symlinks=False)
        _send(Entry(within, last, status), names, wire, watch)
        if stat.S_ISDIR(status.st_mode):
            below = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
            try:
                for entry in deep_walk(below):
                    if entry.left:
                        wire.send({"up": _known(entry)})
                    else:
                        _send(entry, names, wire, watch)
            finally:
                os.close(below)
            wire.send({"up": _known(Entry(within, last, status))})
    finally:
        os.close(within)


def _known(entry: Entry) -> dict[str, Any]:
    """All there is to know of an entry but its contents."""
    status = entry.status
    known: dict[str, Any] = {
        "name": entry.name,
        "mode": status.st_mode,
        "owner": [status.st_uid, status.st_gid],
        "modified": status.st_mtime_ns,
    }
    attributes = {name: os.getxattr(entry.place, name, follow_symlinks=False) for name in _attributes(entry.place)}
    if attributes:
        known["attributes"] = {name: value.hex() for name, value in attributes.items()}
    if stat.S_ISLNK(status.st_mode):
        known["to"] = os.readlink(entry.name, dir_fd=entry.within)
    elif stat.S_ISREG(status.st_mode):
        known["size"] = status.st_size
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        known["device"] = status.st_rdev
    return known


def _attributes(place: str) -> list[str]:
    try:
        return os.listxattr(place, follow_symlinks=False)
    except OSError:  # this file system knows none
        return []


def _send(entry: Entry, names: dict[tuple[int, int], int], wire: Wire, watch: Callable[[int], None]) -> None:
    known, status = _known(entry), entry.status
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        # The first name of a file brings its contents; the others say which it was.
        file = (status.st_dev, status.st_ino)
        known["again"] = file in names
        known["file"] = names.setdefault(file, len(names))
    wire.send(known)
    if "size" in known and not known.get("again"):
        opened = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=entry.within)
        try:
            for offset, data in _data(opened):
                wire.send_block(_OFFSET.pack(offset) + data)
                watch(len(data))
        finally:
            os.close(opened)
        wire.send_block(b"")


def _data(opened: int) -> Iterator[tuple[int, bytes]]:
    """What is in a file besides holes."""
    end = 0
    while True:
        try:
            begin = os.lseek(opened, end, os.SEEK_DATA)
        except OSError:  # only holes from here on
            return
        end = os.lseek(opened, begin, os.SEEK_HOLE)
        for offset in range(begin, end, _BLOCK):
            yield offset, os.pread(opened, min(_BLOCK, end - offset), offset)


def unpack(root: Path, wire: Wire) -> None:
    """Receive entries until the other end says ``done``. Whatever is in their places makes way. Raises OSError."""
    links = root.with_name("links")
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir(mode=0o700)
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    here = os.dup(top)
    try:
        while not (said := wire.receive()).get("done"):
            if "in" in said:
                found = through(top, said["in"])
                os.close(here)
                here = found
                # Files have several names only within what is sent together.
                shutil.rmtree(links)
                links.mkdir(mode=0o700)
            elif "up" in said:
                up = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = up
                _finish(here, said["up"])
            else:
                _make(here, said, links, wire)
                if stat.S_ISDIR(said["mode"]):
                    down = through(here, said["name"])
                    os.close(here)
                    here = down
    finally:
        os.close(here)
        os.close(top)
        shutil.rmtree(links, ignore_errors=True)


def _make(here: int, said: Mapping[str, Any], links: Path, wire: Wire) -> None:
    """Make an entry, and all of it but of a folder, which is finished when what is in it is there."""
    name, mode = str(said["name"]), int(said["mode"])
    if "/" in name or name in ("", ".", ".."):
        raise OSError(f"{name!r} is no name")
    _clear(here, name)
    if said.get("again"):
        os.link(links / str(int(said["file"])), name, dst_dir_fd=here, follow_symlinks=False)
        return
    if stat.S_ISDIR(mode):
        os.mkdir(name, 0o700, dir_fd=here)
        return
    if stat.S_ISREG(mode):
        _write(here, name, int(said["size"]), wire)
    elif stat.S_ISLNK(mode):
        os.symlink(said["to"], name, dir_fd=here)
    else:
        os.mknod(name, stat.S_IFMT(mode) | 0o600, int(said.get("device", 0)), dir_fd=here)
    _finish(here, said)
    if "file" in said:
        os.link(name, links / str(int(said["file"])), src_dir_fd=here, follow_symlinks=False)


def _clear(here: int, name: str) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            # However deep it is.
            subprocess.run(["rm", "-rf", "--", name], cwd=f"/proc/self/fd/{here}", check=True, stdin=subprocess.DEVNULL)
        else:
            os.unlink(name, dir_fd=here)


def _write(here: int, name: str, size: int, wire: Wire) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.open(name, flags, 0o600, dir_fd=here)
    try:
        while block := wire.receive_block(_BLOCK + _OFFSET.size):
            [offset] = _OFFSET.unpack_from(block)
            data = memoryview(block)[_OFFSET.size :]
            while data:
                written = os.pwrite(opened, data, offset)
                data, offset = data[written:], offset + written
        os.ftruncate(opened, size)
    finally:
        os.close(opened)


def _finish(here: int, said: Mapping[str, Any]) -> None:
    """Give an entry what belongs to it besides its contents."""
    name, place = str(said["name"]), f"/proc/self/fd/{here}/{said['name']}"
    os.chown(name, *said["owner"], dir_fd=here, follow_symlinks=False)
    if not stat.S_ISLNK(said["mode"]):
        os.chmod(place, stat.S_IMODE(said["mode"]))
    for attribute, value in said.get("attributes", {}).items():
        os.setxattr(place, attribute, bytes.fromhex(value), follow_symlinks=False)
    times = (said["modified"], said["modified"])
    os.utime(name, ns=times, dir_fd=here, follow_symlinks=False)
