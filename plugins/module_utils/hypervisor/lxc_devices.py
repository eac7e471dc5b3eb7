# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Devices of the node for a container: a device file of its own for each, that its root owns.

The node's file stays as it is. Its owner would be nobody to an unprivileged container, which could open it only if
everybody could.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

__all__ = ["node_of", "numbers_of", "provide", "withdraw"]

#: On the file system of /dev, for on others (/run) device files are not.
_FOLDER = Path("/dev/drover")


def node_of(guest: str, device: str) -> Path:
    """The device file of a container for a device of the node."""
    return _FOLDER / guest / device.removeprefix("/dev/")


def numbers_of(device: str) -> str:
    """A device as the kernel's list of allowed ones has it, ``c 10:200``; empty for what is none."""
    try:
        status = os.stat(device)
    except OSError:
        return ""
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    return f"{kind} {os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if kind else ""


def provide(guest: str, devices: Sequence[str], owner: int) -> None:
    """Make the device files of a container that is about to start, its root's alone. Raises OSError."""
    withdraw(guest)
    for device in devices:
        status, node = os.stat(device), node_of(guest, device)
        for folder in reversed(node.relative_to(_FOLDER).parents):
            place = _FOLDER / folder
            place.mkdir(exist_ok=True)
            place.chmod(0o755)
        os.mknod(node, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
        os.chown(node, owner, owner)
        node.chmod(0o660)


def withdraw(guest: str) -> None:
    """Remove the device files of a container."""
    shutil.rmtree(_FOLDER / guest, ignore_errors=True)
