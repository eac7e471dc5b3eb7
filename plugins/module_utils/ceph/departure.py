# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a node's daemons on the node itself: they stop, do not start again, and what they keep is removed."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..core.command import Runner, run

__all__ = ["Daemon", "remove", "there"]

_LIB = Path("/var/lib/ceph")
_WIPES = 600.0


@dataclass(frozen=True)
class Daemon:
    """A daemon of this node: its task, its name among those of the task, and the folder of what it keeps."""

    task: str
    name: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.task}.{self.name}"

    @property
    def on_device(self) -> bool:
        """Whether it is an OSD whose store is a device."""
        return self.task == "osd" and (self.folder / "block").is_symlink()


def there(node: str, tasks: Collection[str], lib: Path = _LIB) -> list[Daemon]:
    """The node's daemons of these tasks, in the order in which they end."""
    found = [Daemon(task, node, lib / task / f"ceph-{node}") for task in ("mds", "mgr", "mon") if task in tasks]
    if "osd" in tasks:
        folders = sorted((lib / "osd").glob("ceph-*"))
        found = [Daemon("osd", folder.name.removeprefix("ceph-"), folder) for folder in folders] + found
    return [daemon for daemon in found if daemon.folder.exists()]


def remove(daemon: Daemon, runner: Runner = run) -> None:
    """Stop a daemon for good and remove what it keeps. Raises CommandError and OSError."""
    unit = f"ceph-{daemon.task}@{daemon.name}.service"
    runner(["systemctl", "disable", "--quiet", "--now", unit], timeout=90)
    runner(["systemctl", "reset-failed", unit], ok=None)
    if daemon.on_device:
        runner(["ceph-volume", "lvm", "zap", "--destroy", "--osd-id", daemon.name], timeout=_WIPES)
        # What is mounted there is but a memory of the device's labels.
        runner(["umount", str(daemon.folder)], ok=None)
    shutil.rmtree(daemon.folder)
