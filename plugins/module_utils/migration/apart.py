# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which entries of a tree are kept from rsync in one look through it, and sent as parcels (parcels.py)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from .parcels import LONGEST, Wire, is_giant, pack
from .tree import SPOOL, name_of

__all__ = ["Apart"]

#: What rsync takes for more than itself in a pattern.
_WILD = str.maketrans({character: f"\\{character}" for character in "\\*?["})


class Apart:
    """Entries to be sent otherwise. Their names are on the disk, however many somebody makes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        with ExitStack() as files:
            self._deep: IO[bytes] = files.enter_context(tempfile.TemporaryFile(dir=SPOOL))
            self._giants: IO[bytes] = files.enter_context(tempfile.TemporaryFile(dir=SPOOL))
            self._filter: IO[bytes] = files.enter_context(tempfile.NamedTemporaryFile(dir=SPOOL))
            self._files = files.pop_all()

    def __enter__(self) -> Apart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def keeps(self, key: bytes, touched: bool) -> bool:
        """Whether an entry, as a tree's list has it, is kept from rsync. Those that are ``touched`` have to be sent."""
        kind = key[:1]
        if kind == b"d" and len(key) > LONGEST and len(name := name_of(key)) >= LONGEST:
            self._keep(name, self._deep)
            return True
        if kind == b"F":
            name = name_of(key)
            with suppress(OSError):
                if is_giant(os.lstat(os.path.join(os.fsencode(self._root), name))):
                    self._keep(name, self._giants if touched else None)
                    return True
        return False

    def options(self) -> list[str]:
        """What keeps them from an rsync that looks through the whole tree by itself."""
        self._filter.flush()
        return ["--from0", f"--exclude-from={self._filter.name}"] if self._filter.tell() else []

    def send(self, wire: Wire, *, deep: bool, watch: Callable[[int], None]) -> None:
        """Send them: giants that have changed, and folders that are too ``deep`` if so. Raises OSError."""
        for name in self._names(self._giants):
            pack(self._root, name, wire, watch)
        for name in self._names(self._deep) if deep else ():
            pack(self._root, name, wire, watch)
        wire.send({"done": True})

    def any(self, *, deep: bool) -> bool:
        """Whether there is something to be sent."""
        return bool(self._giants.tell() or (deep and self._deep.tell()))

    def _keep(self, name: bytes, list_: IO[bytes] | None) -> None:
        if list_ is not None:
            list_.write(name + b"\0")
        self._filter.write(b"/" + os.fsencode(os.fsdecode(name).translate(_WILD)) + b"\0")

    def _names(self, list_: IO[bytes]) -> Iterator[bytes]:
        list_.seek(0)
        rest = b""
        while block := list_.read(1 << 18):
            *whole, rest = (rest + block).split(b"\0")
            yield from whole
