# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures of a bench of failover: what its records come to, beside one another and beside what is aimed at."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.table import columns

__all__ = ["PARTS", "TARGETS", "Record", "ceph_misses", "misses", "stalls", "table"]

#: One guest in one power cut: ``way``, ``kind``, the parts in seconds from the cut, ``error``.
Record = Mapping[str, Any]

PARTS = ("detected", "fenced", "started", "answered")
#: Seconds from the cut to the first answer, in the median, by profile and kind of guest; and the most that Drover may
#: take of what stock agents take.
TARGETS: Mapping[str, Mapping[str, float]] = {
    "fast": {"container": 4.0, "vm": 7.0},
    "safe": {"container": 6.0, "vm": 9.0},
}
RATIO = 0.5
#: The same with guests on Ceph, whatever the profile; and seconds that a survivor's write may stall.
ON_CEPH: Mapping[str, float] = {"container": 15.0, "vm": 11.0}
STALLS: Mapping[str, float] = {"rbd": 6.0, "file": 12.0}


def table(records: Sequence[Record]) -> list[str]:
    """Median and most of each part, by kind and way, and Drover's part of stock's."""
    records = [record for record in records if record["kind"] not in STALLS]
    heads = ["GUEST", "WAY", "CUTS", *(f"{part.upper()} {what}" for part in PARTS for what in ("p50", "max"))]
    rows = []
    for kind in dict.fromkeys(record["kind"] for record in records):
        for way in dict.fromkeys(record["way"] for record in records):
            mine = _of(records, way, kind)
            cells = [cell for part in PARTS for cell in _cells(mine, part)]
            rows.append([kind, way, str(len(mine)), *cells])
        ratios = [cell for part in PARTS for cell in (_ratio(records, kind, part), "")]
        rows.append([kind, "ratio", "", *ratios])
    return columns(heads, rows)


def stalls(records: Sequence[Record]) -> list[str]:
    """Median and most of the survivors' longest stalls, and records lost, by kind of storage."""
    rows = []
    for kind in STALLS:
        mine = [record for record in records if record["kind"] == kind]
        rows.append([kind, str(len(mine)), *_cells(mine, "stall"), str(sum(record["lost"] for record in mine))])
    return columns(["WRITER", "CUTS", "STALL p50", "STALL max", "LOST"], rows)


def ceph_misses(records: Sequence[Record]) -> list[str]:
    """What was aimed at on Ceph and not reached, a sentence each."""
    found = [f"{record['kind']}: {record['error']}" for record in records if record.get("error")]
    for kind, aimed in ON_CEPH.items():
        own = _median(_of(records, "drover", kind), "answered")
        if own is None or own > aimed:
            found.append(f"{kind}: {_shown(own)} s in the median, aimed at {aimed:.1f} s")
    for kind, most in STALLS.items():
        mine = _of(records, "drover", kind)
        if not mine or (worst := max(_values(mine, "stall"))) > most:
            found.append(f"{kind}: a write stalled for {worst if mine else '?'} s, aimed at {most:.0f} s at most")
        if lost := sum(record["lost"] for record in mine):
            found.append(f"{kind}: {lost} acknowledged records are lost")
    return found


def misses(records: Sequence[Record], profile: str) -> list[str]:
    """What was aimed at and not reached, a sentence each."""
    found = [f"{record['kind']} ({record['way']}): {record['error']}" for record in records if record["error"]]
    for kind in dict.fromkeys(record["kind"] for record in records):
        own = _median(_of(records, "drover", kind), "answered")
        stock = _median(_of(records, "stock", kind), "answered")
        aimed = TARGETS[profile][kind]
        if own is None or own > aimed:
            found.append(f"{kind}: {_shown(own)} s in the median, aimed at {aimed:.1f} s (profile {profile})")
        if own is not None and stock is not None and own > RATIO * stock:
            found.append(f"{kind}: {own / stock:.2f} of what stock agents take, aimed at {RATIO}")
    return found


def _of(records: Iterable[Record], way: str, kind: str) -> list[Record]:
    return [record for record in records if record["way"] == way and record["kind"] == kind]


def _values(records: Iterable[Record], part: str) -> list[float]:
    return [record[part] for record in records if record[part] is not None]


def _median(records: Iterable[Record], part: str) -> float | None:
    values = _values(records, part)
    return statistics.median(values) if values else None


def _cells(records: Iterable[Record], part: str) -> tuple[str, str]:
    values = _values(records, part)
    return (f"{statistics.median(values):.1f}", f"{max(values):.1f}") if values else ("-", "-")


def _ratio(records: Sequence[Record], kind: str, part: str) -> str:
    own, stock = (_median(_of(records, way, kind), part) for way in ("drover", "stock"))
    return f"{own / stock:.2f}" if own is not None and stock else "-"


def _shown(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"
