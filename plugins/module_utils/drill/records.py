# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of a ledger: what a guest wrote, synced and acknowledged to a client outside, and whether it is all there.

A record is a block of 512 bytes, a text that ends with a line feed, filled up with blanks before it:

    drover EPOCH NUMBER SHA-256

The number is the record's place in the ledger, counted from 0. The epoch names the start of the guest that wrote it, so
that two that write at one time, or one that goes on after another has begun, are told from one that was started anew.
The sum is that of all before it. Blocks come from wherever the ledger lies; nothing in here knows of storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["BLOCK", "Findings", "Record", "blocks", "examine", "parse"]

#: Bytes of a record: a sector, which a disk writes as a whole.
BLOCK = 512
_MAGIC = "drover"
#: How many of one kind are named.
_MOST = 5


class Record(NamedTuple):
    """One record: the start of the guest that wrote it, and its place in the ledger."""

    epoch: str
    number: int

    def block(self) -> bytes:
        """It as it is stored."""
        text = f"{_MAGIC} {self.epoch} {self.number}"
        return f"{text} {_sum(text)}".encode().ljust(BLOCK - 1) + b"\n"

    def __str__(self) -> str:
        return f"{self.number} of {self.epoch[:8]}"


def parse(block: bytes) -> Record | None:
    """A record as a block has it, or as it was acknowledged; None for anything else, a torn one among it."""
    try:
        text, _, told = block.decode("ascii").strip().rpartition(" ")
        magic, epoch, number = text.split(" ")
        record = Record(epoch, int(number))
    except ValueError:
        return None
    return record if magic == _MAGIC and told == _sum(text) else None


def blocks(stored: bytes) -> list[bytes]:
    """A ledger's blocks; what is left over at the end, a block of less, is one too."""
    return [stored[at : at + BLOCK] for at in range(0, len(stored), BLOCK)]


@dataclass(frozen=True)
class Findings:
    """What a ledger is beside what was acknowledged of it; each a list of sentences, empty when all is well."""

    acknowledged: int
    stored: int
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    disordered: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()

    @property
    def complaints(self) -> list[str]:
        kinds = (self.lost, self.doubled, self.disordered, self.writers)
        return [line for kind in kinds for line in _few(kind)]


def examine(acknowledged: Sequence[Record], stored: Iterable[bytes]) -> Findings:
    """Whether every acknowledged record is in the ledger, once, in order, and was written by one writer at a time.

    ``acknowledged`` are records in the order in which a client outside heard of them, ``stored`` the ledger's blocks
    in theirs. A record that was stored and never acknowledged is none too many: its acknowledgement was lost. A torn
    block is a loss only if somebody was told of the record that it was to be; at the end it is none at all.
    """
    read = [parse(block) if len(block) == BLOCK else None for block in stored]
    while read and read[-1] is None:
        read.pop()
    there = [record for record in read if record is not None]
    found = set(there)
    return Findings(
        acknowledged=len(acknowledged),
        stored=len(there),
        lost=tuple(f"record {one} was acknowledged and is not there" for one in acknowledged if one not in found),
        doubled=tuple(_doubled(there)),
        disordered=(
            *(f"block {place} is no record" for place, one in enumerate(read) if one is None),
            *(f"in the ledger {line}" for line in _disordered(there)),
            *(f"to the client {line}" for line in _disordered(acknowledged)),
        ),
        writers=(
            *(f"in the ledger {line}" for line in _interleaved(there)),
            *(f"to the client {line}" for line in _interleaved(acknowledged)),
        ),
    )


def _doubled(records: Sequence[Record]) -> Iterator[str]:
    """Numbers that more than one record has."""
    seen: dict[int, Record] = {}
    for one in records:
        if one.number in seen:
            other = seen[one.number].epoch
            yield f"number {one.number} is there twice, " + (
                f"of {other[:8]} and of {one.epoch[:8]}" if other != one.epoch else f"of {other[:8]} both"
            )
        seen[one.number] = one


def _disordered(records: Sequence[Record]) -> Iterator[str]:
    """Records after one with a higher number."""
    last = None
    for one in records:
        if last is not None and one.number < last.number:
            yield f"record {one} comes after {last}"
        last = one


def _interleaved(records: Sequence[Record]) -> Iterator[str]:
    """Starts of the guest that go on after another has begun."""
    ended: set[str] = set()
    now = None
    for one in records:
        if now is not None and one.epoch != now:
            ended.add(now)
        if one.epoch in ended and one.epoch != now:
            other = (now or "")[:8]
            yield f"{one.epoch[:8]} goes on with number {one.number} after {other} had begun: two wrote at once"
        now = one.epoch


def _few(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _MOST
    return [*lines[:_MOST], *([f"and {rest} more of this kind"] if rest > 0 else [])]


def _sum(text: str) -> str:
    return hashlib.sha256(f"{text}\n".encode()).hexdigest()
