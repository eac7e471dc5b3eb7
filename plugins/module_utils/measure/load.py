# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load of this node and of the guests on it: a record each time that a sample is taken, an hour of them.

The steward's sampler (steward/sampler.py) takes the samples. Records lie below /run, which is memory: a file of 10 KiB
at most for the node and for each guest, which is written anew as a whole. So they outlive a restart of the steward,
and the peer service reads them for other nodes without asking anybody. A guest that moves leaves its past behind, and
whoever asks all nodes has it whole.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from ..core.atomic import write
from ..journal.book import stamp
from ..peer.channel import Peer

__all__ = ["FIELDS", "Keeper", "Kind", "Series", "latest", "now", "past", "series"]

Kind = Literal["nodes", "guests"]
#: Columns by name, as long as each other: ``at`` (when, ISO 8601), and those of FIELDS of which anything is known,
#: None where nothing is.
Series = dict[str, list[Any]]

#: Processors that are busy, of how many; the load average; memory in use and in all, bytes; bytes a second.
FIELDS = ("cpu", "cpus", "load", "memory", "memory_total", "read", "written", "received", "sent")
#: What is counted from a beginning on, and becomes something for each second.
_COUNTED = {"cpu_seconds": "cpu", **{name: name for name in ("read", "written", "received", "sent")}}
#: Decimals that mean something; of bytes none do.
_DECIMALS = {"cpu": 3, "load": 2}

_FOLDER = Path("/run/drover/load")
#: Seconds that a record is kept, and for which the newest tells how it is now; and records of a file.
_KEPT, _FRESH, _MOST = 3600.0, 60.0, 240
_RECORD = struct.Struct(f"<d{len(FIELDS)}f")

Record = tuple[float, dict[str, float]]


class Keeper:
    """Makes records of what is counted. ``clock`` measures how long, ``now`` tells when."""

    def __init__(
        self,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._clock, self._now = folder or _FOLDER, clock, now
        self._before: dict[Kind, dict[str, tuple[float, Mapping[str, float]]]] = {}

    def note(self, kind: Kind, counters: Mapping[str, Mapping[str, float]]) -> None:
        """Put on record what each of the nodes, or guests, has used since the last time. Raises OSError.

        The first time there is nothing to compare with, and of what was counted anew since then nothing is known.
        """
        moment, at, folder = self._clock(), self._now(), self._folder / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        before, self._before[kind] = self._before.get(kind, {}), {}
        for name, counted in counters.items():
            self._before[kind][name] = moment, counted
            if name in before:
                then, known = before[name]
                _append(folder / name, at, rates(known, counted, moment - then))
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                if file.name not in counters and file.stat().st_mtime < time.time() - _KEPT:
                    file.unlink()


def rates(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    """What was used, between two looks at the same counters."""
    found = {name: value for name, value in after.items() if name in FIELDS and name not in _COUNTED}
    for name, rate in _COUNTED.items():
        if seconds > 0 and name in before and before[name] <= after.get(name, -math.inf):
            found[rate] = (after[name] - before[name]) / seconds
    return found


def series(kind: Kind, name: str, *, folder: Path | None = None) -> Series:
    """What this node knows of a node, which is itself, or of a guest: the oldest first."""
    return columns(_read((folder or _FOLDER) / kind / name, time.time()))


def columns(records: list[Record]) -> Series:
    """Records as columns."""
    told = [name for name in FIELDS if any(name in values for _at, values in records)]
    found: Series = {"at": [stamp(at) for at, _values in records]}
    return found | {name: [_rounded(name, values.get(name)) for _at, values in records] for name in told}


def latest(*, folder: Path | None = None) -> dict[Kind, dict[str, dict[str, float]]]:
    """How much this node and its guests use now, each by its name; nothing of what has no record of the last minute."""
    found: dict[Kind, dict[str, dict[str, float]]] = {"nodes": {}, "guests": {}}
    moment = time.time()
    for kind, told in found.items():
        for file in sorted((folder or _FOLDER).glob(f"{kind}/[!.]*")):
            for at, values in _records(_bytes(file)[-_RECORD.size :]):
                if 0 <= moment - at < _FRESH:
                    told[file.name] = {name: _rounded(name, value) for name, value in values.items()}
    return found


def now(_request: Mapping[str, Any], peer: Peer) -> None:
    """Tell another node how loaded this one is."""
    peer.send({"load": latest()})


def past(request: Mapping[str, Any], peer: Peer) -> None:
    """Tell another node the last hour of this one (``node``), or of a ``guest`` here."""
    kind: Kind = "guests" if "guest" in request else "nodes"
    peer.send({"series": series(kind, str(request.get("guest") or request["node"]))})


def _rounded(name: str, value: float | None) -> Any:
    return None if value is None else round(value, _DECIMALS.get(name))


def _append(file: Path, at: float, values: Mapping[str, float]) -> None:
    data = _bytes(file)[-(_MOST - 1) * _RECORD.size :]
    # A clock that was set back has left what is still to come: that is no past.
    if data and _RECORD.unpack_from(data, len(data) - _RECORD.size)[0] >= at:
        data = b""
    write(file, data + _RECORD.pack(at, *(values.get(name, math.nan) for name in FIELDS)))


def _read(file: Path, moment: float) -> list[Record]:
    """The records of a file that are of the last hour."""
    return [record for record in _records(_bytes(file)) if 0 <= moment - record[0] <= _KEPT]


def _records(data: bytes) -> Iterator[Record]:
    for at, *values in _RECORD.iter_unpack(data):
        yield at, {name: value for name, value in zip(FIELDS, values, strict=True) if not math.isnan(value)}


def _bytes(file: Path) -> bytes:
    """A file as far as it is whole; nothing of one that is not there."""
    try:
        data = file.read_bytes()
    except OSError:
        return b""
    return data[: len(data) // _RECORD.size * _RECORD.size]
