# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mark by which a directory is known to be a storage pool, and to be the same one on several nodes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import DroverError

__all__ = ["GUEST", "MARK", "PoolError", "pool_of", "unmounted"]

#: The file's name, in the pool's directory; module pool_identity writes it.
MARK = ".drover-pool"
GUEST = re.compile(r"[a-z][a-z0-9-]{0,62}")


class PoolError(DroverError):
    """A path that is no place for a guest's data here."""


def unmounted(paths: Iterable[str]) -> list[str]:
    """The places of pools, of these volumes' paths, at which there is none now."""
    return sorted({str(place) for path in paths if not ((place := Path(path).parents[2]) / MARK).is_file()})


def pool_of(guest: str, path: str, kind: str, name: str | None = None) -> str:
    """What tells the pool of a guest's volume from others. Raises PoolError when the path can't be one.

    ``kind`` is the folder of all guests of its kind; ``name`` is the volume's, when there is only one.
    """
    place = Path(path)
    if not GUEST.fullmatch(guest) or not place.is_absolute() or ".." in place.parts:
        raise PoolError(f"{path} is no place for a guest's data")
    if place.parts[-3:-1] != (kind, guest) or place.name != (name or place.name):
        raise PoolError(f"{path} is no place for the data of {guest}")
    mark = place.parents[2] / MARK
    if not mark.is_file():
        raise PoolError(f"there is no storage pool at {mark.parent}: is it mounted? Run site.yml for this node")
    # What is inside of a guest's data, a guest has written.
    outer = [folder.parent for folder in mark.parents if folder.name in ("vms", "containers")]
    inside = any((folder / MARK).exists() for folder in outer)
    if inside or mark.is_symlink() or mark.stat().st_uid != os.geteuid():
        raise PoolError(f"{mark} is not one that Drover has put there: {mark.parent} is no storage pool")
    return mark.read_text(encoding="ascii").strip()
