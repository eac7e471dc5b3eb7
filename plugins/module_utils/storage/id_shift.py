# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Giving the files of a stopped container to another range of ids: owners, access lists and capabilities.

Whoever is interrupted in the middle can do it again. What changing an owner takes from a file (set-uid bits,
capabilities) and what has ids in it (access lists) is written down beside the tree before the first owner is changed,
and given to the files anew as often as need be.
"""

from __future__ import annotations

import json
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..core.atomic import write
from ..core.command import run
from ..core.deep_walk import Entry, deep_walk
from ..core.errors import DroverError
from ..guest.definition import IDMAP, Definition

__all__ = ["IdRange", "Unfinished", "confine", "range_of", "settle"]

_COUNT = IDMAP["count"]
_CAPABILITY = "security.capability"
_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")
#: Entries of an access list that name a user or a group.
_NAMED = (0x02, 0x08)
#: vfs_ns_cap_data in linux/capability.h: revisions in the highest byte; the third ends with the owner of its namespace.
_V2, _V3, _REVISION = 0x02000000, 0x03000000, 0xFF000000
#: Entries between two looks at the clock.
_STRIDE = 256


class Unfinished(DroverError):
    """The time was up; the next call goes on."""


class IdRange(NamedTuple):
    """The users and groups that a container's 0 and following are on the node."""

    start: int
    size: int = _COUNT

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.start <= number < self.start + self.size


class _Shift(NamedTuple):
    """From which range to which, and by inode what files have to be given anew: ``mode`` and attributes in hex."""

    old: IdRange
    new: IdRange
    anew: dict[int, dict[str, Any]]

    def number(self, number: int) -> int:
        return number - self.old.start + self.new.start if number in self.old else number


def range_of(definition: Definition) -> IdRange:
    """The range of a container; that of a privileged one is the node's own."""
    if definition["privileged"]:
        return IdRange(0)
    return IdRange(definition["idmap"]["start"], definition["idmap"]["count"])


def confine(folder: Path, ids: IdRange) -> None:
    """Let nobody but the container's own users pass through the folder that its root file system is in."""
    os.chown(folder, 0, ids.start)
    folder.chmod(0o750)


def settle(rootfs: Path, wanted: IdRange, left: Callable[[], float]) -> int:
    """Make the files of a stopped container those of its range; returns how many entries had to be looked at.

    ``left`` tells the seconds that remain. Raises Unfinished, and OSError for what cannot be changed.
    """
    record, seen = rootfs.with_name("shifting"), 0
    while True:
        if record.exists():
            shift = _read(record)
        else:
            old = _range_of(rootfs.lstat().st_uid)
            if old == wanted:
                return seen
            shift = _Shift(old, wanted, _needed_anew(rootfs, old, wanted, left))
            _write(record, shift)
        seen += _carry_out(rootfs, shift, left)
        run(["sync", "--file-system", str(rootfs)], timeout=max(1.0, left()))
        record.unlink()


def _range_of(owner: int) -> IdRange:
    """The range that the owner of a root file system is of: all lie side by side (declaration/id_ranges.py)."""
    if owner in IdRange(0):
        return IdRange(0)
    return IdRange(owner - (owner - IDMAP["start"]) % _COUNT)


def _needed_anew(rootfs: Path, old: IdRange, new: IdRange, left: Callable[[], float]) -> dict[int, dict[str, Any]]:
    shift, found = _Shift(old, new, {}), dict[int, dict[str, Any]]()
    for entry in _entries(rootfs, left):
        mode = entry.status.st_mode
        attributes = _attributes(entry, shift)
        special = stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)
        if attributes or special:
            found[entry.status.st_ino] = {"mode": stat.S_IMODE(mode), "attributes": attributes}
    return found


def _carry_out(rootfs: Path, shift: _Shift, left: Callable[[], float]) -> int:
    seen = 0
    for entry in _entries(rootfs, left):
        seen += 1
        status = entry.status
        owner, group = shift.number(status.st_uid), shift.number(status.st_gid)
        if (owner, group) != (status.st_uid, status.st_gid):
            os.chown(entry.name, owner, group, dir_fd=entry.within, follow_symlinks=False)
        if (anew := shift.anew.get(status.st_ino)) is not None:
            os.chmod(entry.place, anew["mode"])
            for name, value in anew["attributes"].items():
                os.setxattr(entry.place, name, bytes.fromhex(value), follow_symlinks=False)
    return seen


def _entries(rootfs: Path, left: Callable[[], float]) -> Any:
    """All entries, the tree's own root last: as long as that has its old owner, the whole is not done."""
    parent = os.open(rootfs.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    top = os.open(rootfs.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for count, entry in enumerate(deep_walk(top)):
            if count % _STRIDE == 0 and left() <= 0:
                raise Unfinished(f"its files are not all given to its own range of ids yet, after {count} of them")
            if not entry.left:
                yield entry
        yield Entry(parent, rootfs.name, os.fstat(top))
    finally:
        os.close(top)
        os.close(parent)


def _attributes(entry: Entry, shift: _Shift) -> dict[str, str]:
    """The attributes that have ids in them or are lost with a change of owner, as they are to be, in hex."""
    if stat.S_ISLNK(entry.status.st_mode):
        return {}
    found = {}
    for name in os.listxattr(entry.place, follow_symlinks=False):
        if name == _CAPABILITY or name in _ACCESS_LISTS:
            value = os.getxattr(entry.place, name, follow_symlinks=False)
            change = _capability if name == _CAPABILITY else _access_list
            found[name] = change(value, shift).hex()
    return found


def _access_list(value: bytes, shift: _Shift) -> bytes:
    entries = [(tag, may, shift.number(who) if tag in _NAMED else who) for tag, may, who in _acl(value)]
    return value[:4] + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _acl(value: bytes) -> list[tuple[int, int, int]]:
    return list(struct.iter_unpack("<HHI", value[4:]))


def _capability(value: bytes, shift: _Shift) -> bytes:
    [magic] = struct.unpack_from("<I", value)
    root = struct.unpack_from("<I", value, 20)[0] if magic & _REVISION == _V3 else 0
    root = shift.number(root)
    revision, owner = (_V3, struct.pack("<I", root)) if root else (_V2, b"")
    return struct.pack("<I", revision | magic & ~_REVISION) + value[4:20] + owner


def _write(record: Path, shift: _Shift) -> None:
    write(record, json.dumps({"old": shift.old, "new": shift.new, "anew": shift.anew}))


def _read(record: Path) -> _Shift:
    said = json.loads(record.read_text(encoding="utf-8"))
    return _Shift(IdRange(*said["old"]), IdRange(*said["new"]), {int(ino): of for ino, of in said["anew"].items()})
