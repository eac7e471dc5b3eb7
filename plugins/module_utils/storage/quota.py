# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The size of a directory tree, kept by its file system: project quotas of XFS and ext4, qgroups of btrfs, CephFS.

A tree has to be made countable before anything is put into it, and may be given a limit at any time after. Who passes
a limit: on ext4 whoever has CAP_SYS_RESOURCE in the node's own user namespace (root of the node and of privileged
containers), on XFS nobody. On btrfs a limit holds for one subvolume, and every user may make further ones in it.

Kernel: fs/ioctl.c (FS_IOC_FSSETXATTR), quotactl(2), include/uapi/linux/btrfs.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..core.errors import DroverError

__all__ = ["FileSystem", "QuotaError", "file_system", "limit", "make"]

_MOUNTS = Path("/proc/self/mountinfo")
_GET_XATTR, _SET_XATTR = 0x801C581F, 0x401C5820
_XATTR, _INHERIT = struct.Struct("=5I8x"), 0x200
_SUBVOLUME, _QGROUP_LIMIT = 0x5000940E, 0x8030942B
_QUOTA_OF_PROJECTS, _BLOCKS_ALONE = (0x800008 << 8) | 2, 1
_QUOTA = struct.Struct("=8QI4x")
#: Ceph's file system, as the kernel and as its own daemon mount it, and the attribute of a folder by which it keeps a
#: size. What is over it is refused some seconds late, when the client has heard of it (12.6 MB of 10 were written).
_CEPH = ("ceph", "fuse.ceph-fuse", "fuse.ceph")
_CEPH_LIMIT = "ceph.quota.max_bytes"
#: The inode number of every btrfs subvolume's root.
_SUBVOLUME_ROOT = 256


class QuotaError(DroverError):
    """A tree whose size cannot be kept."""


class FileSystem(NamedTuple):
    """The file system that a path is on: ``type`` as mount(8) calls it, its ``device``, its ``options``."""

    type: str
    device: str
    options: frozenset[str]

    @property
    def lacks(self) -> str:
        """What it lacks to keep a size; empty when it lacks nothing."""
        if self.type == "btrfs":
            return "" if "qgroups" in self.options else "btrfs without qgroups ('btrfs quota enable' switches them on)"
        if self.type in ("xfs", "ext4"):
            kept = self.options & {"prjquota", "pquota"}
            return "" if kept else f"{self.type} mounted without the option prjquota"
        if self.type in _CEPH:
            return ""
        return f"{self.type}, which has no quota for directories"


def file_system(path: Path, mounts: Path = _MOUNTS) -> FileSystem:
    """The file system that a path is on, or would be once it is made."""
    there = next(place for place in (path, *path.parents) if place.exists())
    number = os.stat(there).st_dev
    best, found = -1, FileSystem("unknown", "", frozenset())
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields, _dash, rest = line.partition(" - ")
        _id, _parent, device, _root, point, own = fields.split()[:6]
        kind, source, options = rest.split()[:3]
        # btrfs tells another number of each subvolume than of the mount: its place tells then.
        place = Path(point.replace("\\040", " "))
        if device != f"{os.major(number)}:{os.minor(number)}" and not (kind == "btrfs" and there.is_relative_to(place)):
            continue
        depth = len(place.parts) if there.is_relative_to(place) else 0
        if depth > best:
            words = frozenset(f"{own},{options}".split(","))
            best, found = depth, FileSystem(kind, source, words)
    if found.type == "btrfs" and _counts(there):
        return found._replace(options=found.options | {"qgroups"})
    return found


def make(tree: Path, mode: int) -> None:
    """Make an empty directory whose contents count, where the file system counts. Raises OSError."""
    kind = file_system(tree.parent)
    if kind.lacks or kind.type in _CEPH:
        tree.mkdir(mode=mode)
    elif kind.type == "btrfs":
        with _opened(tree.parent) as parent:
            fcntl.ioctl(parent, _SUBVOLUME, bytearray(struct.pack("=q4088s", 0, os.fsencode(tree.name))))
        tree.chmod(mode)
    else:
        tree.mkdir(mode=mode)
        with _opened(tree) as opened:
            flags, extent, count, _project, copied = _attributes(opened)
            # Any number that no other tree has will do.
            project = 1 << 30 | int.from_bytes(os.urandom(4), "big") >> 2
            fcntl.ioctl(opened, _SET_XATTR, _XATTR.pack(flags | _INHERIT, extent, count, project, copied))


def limit(tree: Path, size: int | None) -> None:
    """Keep a tree at ``size`` bytes from now on; None: at no size. Raises QuotaError, OSError."""
    kind = file_system(tree)
    if kind.lacks:
        raise QuotaError(f"nothing keeps the size of {tree}: it is on {kind.lacks}")
    if kind.type in _CEPH:
        os.setxattr(tree, _CEPH_LIMIT, str(size or 0).encode(), follow_symlinks=False)
        return
    with _opened(tree) as opened:
        if kind.type == "btrfs":
            if os.fstat(opened).st_ino != _SUBVOLUME_ROOT:
                raise QuotaError(f"nothing keeps the size of {tree}: it was made before btrfs counted it")
            # 2**64 - 1 takes a limit away. For the subvolume itself: 0.
            wanted = (1 << 64) - 1 if size is None else size
            fcntl.ioctl(opened, _QGROUP_LIMIT, bytearray(struct.pack("=6Q", 0, 1, wanted, 0, 0, 0)))
            return
        flags, _extent, _count, project, _copied = _attributes(opened)
        if not project or not flags & _INHERIT:
            raise QuotaError(f"nothing keeps the size of {tree}: it was made before {kind.type} counted it")
    _limit_project(kind.device, project, size)


def _limit_project(device: str, project: int, size: int | None) -> None:
    import ctypes  # not what every start of a container needs

    blocks = 0 if size is None else -(-size // 1024)
    record = ctypes.create_string_buffer(_QUOTA.pack(blocks, 0, 0, 0, 0, 0, 0, 0, _BLOCKS_ALONE))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.quotactl(ctypes.c_int(_QUOTA_OF_PROJECTS), os.fsencode(device), project, record):
        code = ctypes.get_errno()
        raise OSError(code, f"{os.strerror(code)}: the quota of project {project} on {device}")


def _attributes(opened: int) -> tuple[int, int, int, int, int]:
    """A directory's flags, extent size, count of extents, project and size of copied extents."""
    flags, extent, count, project, copied = _XATTR.unpack(fcntl.ioctl(opened, _GET_XATTR, bytes(_XATTR.size)))
    return flags, extent, count, project, copied


def _counts(path: Path) -> bool:
    """Whether the btrfs that a path is on has qgroups: it takes a limit that limits nothing."""
    with _opened(path) as opened:
        try:
            fcntl.ioctl(opened, _QGROUP_LIMIT, bytearray(48))
        except OSError:
            return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield opened
    finally:
        os.close(opened)
