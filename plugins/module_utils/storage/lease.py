# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease of a container on shared storage: a file beside its root file system that names the node it runs on.

QEMU locks a VM's disks; nothing locks a folder. So who starts a container writes the lease first, and renews it as long
as it runs (its time of modification is the beat); who stops it gives the lease back.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ..core.errors import DroverError

__all__ = ["Lease", "Taken", "give_back", "look", "place", "renew", "take"]


class Lease(NamedTuple):
    """Who holds a lease, and the last beat: of use for telling whether there is another, not by a clock."""

    node: str
    beat: int


class Taken(DroverError):
    """Somebody else has taken the lease meanwhile."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node or 'another node'} holds the lease")
        self.node = node


def look(rootfs: Path) -> Lease | None:
    """The lease of a container; None when nobody holds it. Raises OSError."""
    try:
        opened = os.open(place(rootfs), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _said(opened)
    finally:
        os.close(opened)


def take(rootfs: Path, node: str, judged: Lease | None) -> None:
    """Hold the lease from now on, in place of the one that was ``judged`` to be nobody's any more.

    Of several that do this at a time one succeeds. Raises Taken, OSError.
    """
    with _alone(rootfs) as opened:
        found = _said(opened)
        if found != judged:
            raise Taken(found.node if found else "")
        os.ftruncate(opened, 0)
        os.pwrite(opened, json.dumps({"node": node}).encode(), 0)
        os.fsync(opened)


def renew(rootfs: Path, node: str) -> str:
    """Show that the container runs here still; returns who holds the lease if that is another. Raises OSError."""
    found = look(rootfs)
    if found is None:
        # It was started by a Drover that knew of none.
        with suppress(Taken):
            take(rootfs, node, None)
    elif found.node == node:
        os.utime(place(rootfs))
    else:
        return found.node
    return ""


def give_back(rootfs: Path, node: str) -> None:
    """Hold the lease no longer, if this node does. Raises OSError."""
    found = look(rootfs)
    if found is not None and found.node == node:
        with suppress(Taken), _alone(rootfs) as opened:
            if (now := _said(opened)) is not None and now.node == node:
                place(rootfs).unlink()


def place(rootfs: Path) -> Path:
    """The file that is the lease."""
    return rootfs.with_name("lease")


@contextmanager
def _alone(rootfs: Path) -> Iterator[int]:
    """The file, made if need be, while no other node changes it. Raises Taken."""
    while True:
        opened = os.open(place(rootfs), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Taken("") from None
            if os.fstat(opened).st_nlink:
                yield opened
                return
        finally:
            os.close(opened)


def _said(opened: int) -> Lease | None:
    said, beat = os.pread(opened, 4096, 0), os.fstat(opened).st_mtime_ns
    if not said:
        return None
    try:
        return Lease(str(json.loads(said)["node"]), beat)
    except (ValueError, KeyError, TypeError):
        # Half of one, or somebody's own file: whose it is cannot be told, and a beat can be waited for.
        return Lease("", beat)
