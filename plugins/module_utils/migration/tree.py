# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tree of files as find lists it, and what two trees differ in, with little memory however large they are.

An entry is ``CHANGED TYPE MODE OWNER GROUP SIZE MODIFIED LINKS NAME``, ended by NUL: both times in seconds with their
fractions, the name as it is from the tree on. Of a folder neither the size nor the number of links is told. The type of
a file that may be a giant is ``F``. What is in a folder with a path of parcels.LONGEST bytes is not listed: to list
the paths in ever deeper folders would take for ever.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..core.command import CommandError, Complaints, run
from ..core.errors import DroverError
from .parcels import GIANT, LONGEST

__all__ = ["SPOOL", "Keeps", "Listing", "TreeError", "differences", "name_of", "prepare_old", "walk"]

_KEY = "%m %U %G {} %T@ {} %P\\0"
_LISTING = [
    *("-type", "f", "-size", f"+{GIANT // 1024 - 1}k", "-printf", "%C@ F " + _KEY.format("%s", "%n"), "-o"),
    *("-type", "d", "-printf", "%C@ d " + _KEY.format("-", "-"), "-o"),
    *("-printf", "%C@ %y " + _KEY.format("%s", "%n")),
]
_BLOCK = 1 << 18
#: What find says when somebody removes or replaces what it is just looking at.
_RACES = ("No such file or directory", "Not a directory", "Too many levels of symbolic links")
#: Entries of the other tree that are kept in memory, at some 100 bytes, and as much again for those that differ; bytes
#: of its list on the disk.
_MOST_ENTRIES, _MOST_BYTES = 1_500_000, 1 << 31
#: Where that list is: on the disk, which /tmp often is not.
SPOOL = Path("/var/tmp")
_LONGEST_ENTRY = 4096 + 256


#: Whether an entry, of which a list has all but the change time, is none of rsync's; it is told too whether the entry
#: differs or has changed.
Keeps = Callable[[bytes, bool], bool]


class TreeError(DroverError):
    """A tree cannot be looked through; the text says why."""


def _too_long(tree: Path) -> str:
    """A pattern for paths of LONGEST bytes from the tree on."""
    return "?" * (len(os.fsencode(tree)) + 1 + LONGEST) + "*"


def prepare_old(tree: Path) -> None:
    """Take from an old copy what would be in the way of rsync: folders that are too deep for it, and flags by which
    nobody may change a file. Raises CommandError."""
    remove = ["-exec", "rm", "-rf", "--one-file-system", "--", "{}", "+"]
    run(["find", str(tree), "-type", "d", "-path", _too_long(tree), "-prune", *remove], timeout=3600)
    with suppress(CommandError):  # no such flags here
        run(["chattr", "-R", "-f", "-i", "-a", str(tree)], timeout=3600, ok=None)


def walk(tree: Path) -> Generator[bytes]:
    """The entries of a tree, as they come, in blocks that may end anywhere. Raises TreeError."""
    try:
        find = subprocess.Popen(
            ["find", str(tree), "-type", "d", "-path", _too_long(tree), "-prune", "-false", "-o", *_LISTING],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise TreeError(f"{tree} cannot be looked through: {error}") from error
    assert find.stdout is not None
    with find:
        complaints = Complaints(find, lambda line: line.endswith(_RACES))
        try:
            while block := find.stdout.read(_BLOCK):
                yield block
        except BaseException:  # nobody wants the rest
            find.kill()
            raise
        status, lines = find.wait(), complaints.lines()
    # One that was killed, or could not read a folder, has told a part: the rest would be taken for unchanged.
    if status not in (0, 1) or lines:
        raise TreeError(f"{tree} cannot be looked through: {'; '.join(lines[:2]) or f'find ended with {status}'}")


def _entries(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\0")
        yield from whole


class Listing:
    """The other tree: of each entry a hash of all but its change time, and its place in the list, which is on the disk.

    The hashes are Python's own, which nobody can foresee: they have a key of the process. ``whole`` is false when the
    tree has more entries than are kept; it is of no use then.
    """

    def __init__(self, blocks: Iterable[bytes], most: int = _MOST_ENTRIES, longest: int = _MOST_BYTES) -> None:
        self.whole = True
        self.places: dict[int, int] = {}
        self._spool: IO[bytes] | None = None
        place = 0
        # To its end in any case: what is left of it would be taken for the next answer.
        for entry in _entries(self._kept(blocks, longest)):
            if self.whole:
                self.places[hash(entry.partition(b" ")[2])] = place
                place += len(entry) + 1
                if len(self.places) > most:
                    self._give_up()

    def name(self, place: int) -> bytes:
        """The name of an entry."""
        assert self._spool is not None
        entry = os.pread(self._spool.fileno(), _LONGEST_ENTRY, place).partition(b"\0")[0]
        return name_of(entry.partition(b" ")[2])

    def _kept(self, blocks: Iterable[bytes], longest: int) -> Iterator[bytes]:
        size = 0
        for block in blocks:
            size += len(block)
            if self.whole:
                try:
                    if self._spool is None:
                        self._spool = tempfile.TemporaryFile(dir=SPOOL)  # noqa: SIM115 - it stays as long as this
                    self._spool.write(block)
                    self._spool.flush()
                except OSError:  # no room
                    self._give_up()
            if self.whole and size > longest:
                self._give_up()
            yield block

    def _give_up(self) -> None:
        self.whole = False
        self.places.clear()
        if self._spool is not None:
            with suppress(OSError):
                self._spool.close()


def differences(
    here: Iterable[bytes], there: Listing | None, since: float, keeps: Keeps = lambda _key, _touched: False
) -> Iterator[bytes]:
    """What rsync has to look at so that ``there`` becomes ``here``, both as listed: names, each ended by NUL.

    Everything that changed here after ``since`` is among them, and nothing that somebody else ``keeps``. A name that is
    not here is to be removed there. Without the other tree, what changed is all. The other tree's list is used up.
    Raises TreeError.
    """
    moment = b"%.9f" % since
    places = {} if there is None else there.places
    changed: set[int] = set()
    leaves: set[int] = set()
    empty = True
    for entry in _entries(here):
        empty = False
        when, _, key = entry.partition(b" ")
        differs = places.pop(hash(key), None) is None and there is not None
        if differs and not key.startswith(b"d"):
            leaves.add(hash(name_of(key)))
        if keeps(key, differs or when >= moment):
            changed.add(hash(name_of(key)))
            continue
        if differs:
            name = name_of(key)
            changed.add(hash(name))
        elif when >= moment:
            name = name_of(key)
        else:
            continue
        yield (name or b".") + b"\0"
    if empty:
        raise TreeError("there is no tree any more")
    if there is not None:
        # What was not struck out is there otherwise, or is not here.
        gone = {number for place in places.values() if (number := hash(there.name(place))) not in changed}
        for name in map(there.name, places.values()):
            # With a folder goes what is in it, also when something else takes its place: rsync would look for what was
            # in the folder through the symbolic link that it has become, and refuse.
            folder = hash(name.rpartition(b"/")[0])
            if hash(name) in gone and folder not in gone and folder not in leaves:
                yield name + b"\0"


def name_of(key: bytes) -> bytes:
    return key.split(b" ", 7)[7]
