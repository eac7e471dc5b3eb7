# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of VMs' disks as a move to another pool handles them: files in directories and images in Ceph alike.

A volume is a source as definitions have it: ``type``, ``path``, ``format``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..ceph.rbd import CLIENT, PREFIX, Rbd, is_rbd
from ..core.atomic import sync_folder
from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from ..core.quantities import rough_size
from .host import make_folders
from .pool_mark import pool_of

__all__ = ["DiskStore", "StoreError", "volume_argument"]

Source = Mapping[str, Any]

#: Room that has to remain in a pool that is a directory, in bytes.
_MARGIN = 64 << 20
#: Copying a disk, in seconds: nobody knows how large it is.
_LONG = 86_400.0
_DRAFT = ".new"


class StoreError(DroverError):
    """A volume cannot be where it is to be. The text says why."""


def volume_argument(path: str) -> str:
    """A volume's place as qemu-img wants it."""
    return f"{path}:id={CLIENT}" if is_rbd(path) else path


class DiskStore:
    """Volumes as this node reaches them. Every method raises CommandError or OSError when a program or file fails."""

    def __init__(self, runner: Runner = run) -> None:
        self._run = runner
        self._rbd = Rbd(runner)

    def there(self, path: str) -> bool:
        """Whether there is a volume."""
        return self._rbd.size(path) is not None if is_rbd(path) else Path(path).exists()

    def size(self, source: Source) -> int:
        """The capacity of a disk in bytes, as a VM sees it."""
        if is_rbd(source["path"]):
            found = self._rbd.size(source["path"])
            if found is None:
                raise StoreError(f"there is no {source['path']}")
            return found
        return int(self._shown(source["path"])["virtual-size"])

    def in_use(self, path: str) -> bool:
        """Whether a VM, or another program that locks what it writes to, has it open."""
        if is_rbd(path):
            return bool(self._rbd.open_by(path))
        try:
            self._run(["qemu-img", "info", "--output=json", path])
        except CommandError:
            return True
        return False

    def require_room(self, guest: str, source: Source, goal: Source) -> None:
        """Raise StoreError when the pool that a disk is to go to is none here, or lacks the room that it takes."""
        if is_rbd(goal["path"]):
            # Ceph tells this client of no room; a copy that finds none fails, and the disk stays where it was.
            pool = goal["path"].removeprefix(PREFIX).partition("/")[0]
            if not self._rbd.has_pool(pool):
                raise StoreError(
                    f"Ceph has no pool {pool} for images that this node reaches",
                    remedy="Run site.yml, which makes the pools of storage_pools. Nothing was moved.",
                )
            return
        place = Path(goal["path"])
        pool_of(guest, str(place), "vms")
        needed, free = self._used(source) + _MARGIN, shutil.disk_usage(place.parents[2]).free
        if needed > free:
            raise StoreError(
                f"{place.parents[2]} has no room for {source['path']}: it takes {rough_size(needed)}, and "
                f"{rough_size(free)} are free",
                remedy="Make room there, or choose another pool. Nothing was moved.",
            )

    def make(self, goal: Source, size: int) -> None:
        """Make an empty volume of this size."""
        if is_rbd(goal["path"]):
            self._rbd.create(goal["path"], size)
            return
        place = Path(goal["path"])
        make_folders(place.parent)
        self._run(["qemu-img", "create", "-q", "-f", str(goal["format"]), str(place), str(size)])
        place.chmod(0o600)
        sync_folder(place.parent)

    def copy(self, source: Source, goal: Source) -> None:
        """Copy a volume that nobody writes to. Its copy has its name only when it is whole."""
        formats = ["-f", str(source["format"]), "-O", str(goal["format"])]
        draft = f"{goal['path']}{_DRAFT}"
        self.discard(goal["path"])
        if not is_rbd(draft):
            make_folders(Path(draft).parent)
        argv = ["qemu-img", "convert", *formats, volume_argument(source["path"]), volume_argument(draft)]
        try:
            self._run(argv, timeout=_LONG)
        except CommandError:
            with suppress(CommandError, OSError):
                self.remove(draft)
            raise
        if is_rbd(draft):
            self._rbd.rename(draft, goal["path"])
            return
        Path(draft).chmod(0o600)
        self._run(["sync", "--file-system", draft], timeout=_LONG)
        Path(draft).rename(goal["path"])
        sync_folder(Path(draft).parent)

    def remove(self, path: str) -> None:
        """Remove a volume, if it is there, and the folder that was the guest's when nothing is left in it."""
        if is_rbd(path):
            if self._rbd.size(path) is not None:
                self._rbd.remove(path)
            return
        Path(path).unlink(missing_ok=True)
        with suppress(OSError):
            Path(path).parent.rmdir()

    def discard(self, path: str) -> None:
        """Remove a volume that is no guest's yet, and what there may be of it."""
        self.remove(f"{path}{_DRAFT}")
        self.remove(path)

    def _used(self, source: Source) -> int:
        """The bytes that a copy may come to take."""
        if is_rbd(source["path"]):
            return self.size(source)
        return int(self._shown(source["path"])["actual-size"])

    def _shown(self, path: str) -> dict[str, Any]:
        argv = ["qemu-img", "info", "--output=json", "--force-share", path]
        found: dict[str, Any] = json.loads(self._run(argv).stdout)
        return found
