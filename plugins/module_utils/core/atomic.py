# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing a file so that whoever reads it, also after a power cut, finds all of it or what was there before."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["fill", "sync_folder", "write"]


def write(path: Path, content: str | bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Write a file beside its place and rename it: when this returns, it is on the disk. Raises OSError.

    ``owner`` are the numbers of its user and its group, this process's own when not told. Several may write the same
    file at once; the last one's stays.
    """
    data = content.encode() if isinstance(content, str) else content
    number, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        fill(number, data, mode=mode, owner=owner)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
    sync_folder(path.parent)


def fill(number: int, data: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write all of an open file, let those read it who may, and close it: it is on the disk then. Raises OSError."""
    with open(number, "wb") as file:
        file.write(data)
        file.flush()
        if owner is not None:
            os.fchown(number, *owner)
        # After the owner, of whom the kernel takes the set-user-ID bit when it changes.
        os.fchmod(number, mode)
        os.fsync(number)


def sync_folder(folder: Path) -> None:
    """See to it that what was made, renamed or removed in a folder is so on the disk too. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
