# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal's entries of some kinds, as this node has them: the file is read again when it has changed, and of its
lines those alone are parsed that can matter."""

from __future__ import annotations

import json
import threading
from contextlib import suppress

from ..core.stamp import Stamp, stamp_of
from .book import Book, Entry

__all__ = ["Kinds"]


class Kinds:
    """What a journal has of the kinds that begin with one of these words."""

    def __init__(self, book: Book, *words: str) -> None:
        self._book = book
        self._marks = [f'"kind":"{word}'.encode() for word in words]
        self._lock = threading.Lock()
        self._stamp: Stamp = None
        self._entries: list[Entry] = []

    def entries(self, *kinds: str) -> list[Entry]:
        """The entries of exactly these kinds, the newest last."""
        with self._lock:
            stamp = stamp_of(self._book.path)
            if stamp is None:
                return []
            if stamp != self._stamp:
                self._entries = []
                for line in self._book.lines().values():
                    if any(mark in line for mark in self._marks):
                        with suppress(ValueError):
                            self._entries.append(json.loads(line))
                self._stamp = stamp
            return [entry for entry in self._entries if entry.get("kind") in kinds]
