# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are renamed into a folder, told by the kernel as it happens (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

__all__ = ["Arrivals"]

# linux/inotify.h
_MOVED_TO, _OVERFLOW, _ONLY_A_FOLDER = 0x80, 0x4000, 0x01000000
#: Its descriptor, what happened, a cookie, the length of the name that follows.
_EVENT = struct.Struct("iIII")
_BUFFER = 65_536


class Arrivals:
    """What arrives in a folder from now on. Readable (:meth:`fileno`) when there is something to :meth:`read`.

    Raises OSError when the kernel refuses.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), _MOVED_TO | _ONLY_A_FOLDER) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)

    def fileno(self) -> int:
        return self._fd

    def read(self) -> list[str]:
        """The names that have arrived since the last time; all in the folder, should the kernel have lost count."""
        try:
            told = os.read(self._fd, _BUFFER)
        except BlockingIOError:
            return []
        events = list(_events(told))
        if any(mask & _OVERFLOW for mask, _name in events):
            return os.listdir(self._folder)
        return list(dict.fromkeys(name for mask, name in events if mask & _MOVED_TO))


def _events(told: bytes) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(told):
        _watch, mask, _cookie, length = _EVENT.unpack_from(told, at)
        at += _EVENT.size
        yield mask, os.fsdecode(told[at : at + length].rstrip(b"\0"))
        at += length
