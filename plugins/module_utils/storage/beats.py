# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signs on shared storage that a guest runs somewhere: its lease's beat, QEMU's locks, who writes its disks, and who
has an image of Ceph's open."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..ceph.rbd import Rbd, is_rbd
from ..core.command import CommandError
from ..core.parallel import side_by_side
from ..guest.definition import Definition, is_local
from . import lease

__all__ = ["Beats", "look", "signs"]

#: struct flock, and the bytes by which QEMU locks an image (block/file-posix.c: its permissions from 100 and 200 on).
_FLOCK = "hhqqi4x"
_FIRST, _BYTES = 100, 200
_F_OFD_GETLK = getattr(fcntl, "F_OFD_GETLK", 36)


class Beats(NamedTuple):
    """What is seen of guests at one moment: their leases, which disks are locked, when each was last written, and of
    images in Ceph the addresses of those that have them open, None where Ceph does not tell."""

    leases: Mapping[str, lease.Lease]
    locked: frozenset[str]
    written: Mapping[str, int]
    opened: Mapping[str, frozenset[str] | None] = {}


def look(definitions: Mapping[str, Definition], rbd: Rbd | None = None) -> Beats:
    """The guests' signs on storage that this node shares with others. Of files that cannot be read, nothing is seen."""
    leases: dict[str, lease.Lease] = {}
    locked: set[str] = set()
    written: dict[str, int] = {}
    images: list[str] = []
    for name, definition in definitions.items():
        if is_local(definition):
            continue
        if "rootfs" in definition:
            with suppress(OSError):
                found = lease.look(Path(definition["rootfs"]["path"]))
                if found is not None:
                    leases[name] = found
        paths = [disk["source"]["path"] for disk in definition.get("disks", ())]
        images += [path for path in paths if is_rbd(path)]
        for path in (path for path in paths if not is_rbd(path)):
            with suppress(OSError):
                written[path] = os.stat(path).st_mtime_ns
                if _is_locked(path):
                    locked.add(path)
    return Beats(leases, frozenset(locked), written, _opened(rbd or Rbd(), images))


def signs(node: str, before: Beats, now: Beats) -> list[str]:
    """What between two looks, longer apart than a beat, says that guests of a node still run; a phrase each."""
    found = [
        f"the lease of {name} is renewed by {beat.node or 'somebody'}"
        for name, beat in now.leases.items()
        if beat.node in {node, ""} and name in before.leases and before.leases[name] != beat
    ]
    found += [f"somebody holds QEMU's lock on {path}" for path in sorted(before.locked & now.locked)]
    found += [
        f"somebody writes to {path}"
        for path, when in sorted(now.written.items())
        if path in before.written and before.written[path] != when
    ]
    for path, now_open in sorted(now.opened.items()):
        if now_open is None:
            found.append(f"Ceph does not tell who has {path} open")
            continue
        # Whoever lives says so to the OSD again and again. Of one that is dead it is forgotten after 30 s, so that who
        # was seen twice may have died just now: then the next run finds nobody.
        lasting = now_open & (before.opened.get(path) or frozenset())
        found += [f"{address} has {path} open (one that is dead has for half a minute)" for address in sorted(lasting)]
    return found


def _opened(rbd: Rbd, images: Sequence[str]) -> dict[str, frozenset[str] | None]:
    def look_at(path: str) -> frozenset[str] | None:
        try:
            return frozenset(rbd.open_by(path))
        except CommandError:
            return None

    return side_by_side(look_at, list(images))


def _is_locked(path: str) -> bool:
    opened = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        asked: Any = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _FIRST, _BYTES, 0)
        kind = struct.unpack(_FLOCK, fcntl.fcntl(opened, _F_OFD_GETLK, asked))[0]
    finally:
        os.close(opened)
    return bool(kind != fcntl.F_UNLCK)
