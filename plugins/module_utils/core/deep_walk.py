# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every entry of a tree, however deep it is: by folders that are open, not by paths, which end at 4,096 bytes.

Only a container's root makes such a tree, and nobody changes it meanwhile: the container is stopped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Entry", "deep_walk", "through"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(NamedTuple):
    """An entry of the open folder ``within``, which is valid until the next one is asked for.

    A folder comes before what is in it, and once more after that, ``left``.
    """

    within: int
    name: str
    status: os.stat_result
    left: bool = False

    @property
    def place(self) -> str:
        """A short path to it, for calls that take no folder; not to be followed when it is a symbolic link."""
        return f"/proc/self/fd/{self.within}/{self.name}"


def deep_walk(top: int) -> Iterator[Entry]:
    """The entries below the open folder ``top``. Other file systems that are mounted in it are not entered.

    Raises OSError, also when the tree changes meanwhile.
    """
    device = os.fstat(top).st_dev
    here = os.open(".", _FOLDER, dir_fd=top)
    names = [iter(os.listdir(here))]
    folders: list[tuple[str, os.stat_result]] = []
    try:
        while True:
            name = next(names[-1], None)
            if name is None:
                names.pop()
                if not folders:
                    return
                up = os.open("..", _FOLDER, dir_fd=here)
                os.close(here)
                here = up
                yield Entry(here, *folders.pop(), left=True)
                continue
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            yield Entry(here, name, status)
            if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                down = os.open(name, _FOLDER, dir_fd=here)
                os.close(here)
                here = down
                names.append(iter(os.listdir(here)))
                folders.append((name, status))
    finally:
        os.close(here)


def through(top: int, path: str) -> int:
    """The folder at a path below the open folder ``top``, opened; no symbolic link is followed. Raises OSError."""
    here = os.open(".", _FOLDER, dir_fd=top)
    for part in path.split("/"):
        if part in ("", "."):
            continue
        try:
            down = os.open(part, _FOLDER, dir_fd=here)
        finally:
            os.close(here)
        here = down
    return here
