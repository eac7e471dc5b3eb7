# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a file is still the one that was read: its stamp, cheaper than reading it again."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Stamp", "stamp_of"]

#: When it was changed (nanoseconds), its inode, its size (bytes); None for one that is not there.
Stamp = tuple[int, int, int] | None


def stamp_of(file: Path) -> Stamp:
    """A file's stamp. Raises OSError for one that is there and cannot be looked at."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
