# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From single migrations to distributions, a table and verdicts. All of it pure.

A *record* is one migration as it is written to the results: ``way``, ``load``, ``error`` (None when it arrived),
and what was measured, None for what was not. Times are in milliseconds.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

__all__ = [
    "MEASURES",
    "Criterion",
    "Event",
    "Record",
    "Spread",
    "container_criteria",
    "criteria",
    "parse_event",
    "passage",
    "schedule",
    "soak_criterion",
    "summary",
    "table",
    "verdicts",
]

Record = Mapping[str, Any]

#: What is shown of a migration: key of a record, heading.
MEASURES: Mapping[str, str] = {
    "pause_ms": "pause ms",
    "silence_ms": "silence ms",
    "lost": "lost",
    "duplicated": "duplicated",
    "total_ms": "total ms",
}

_EVENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+)\+0000: event (\w+) for domain '([^']+)'")


class Event(NamedTuple):
    """What a VM's QEMU said on a node, at a time in seconds since the epoch."""

    at: float
    node: str
    vm: str
    name: str


def parse_event(node: str, line: str) -> Event | None:
    """One line of ``virsh qemu-monitor-event --timestamp``; None for any other."""
    found = _EVENT.match(line)
    if found is None:
        return None
    moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return Event(moment.timestamp(), node, found[3], found[2])


def passage(events: Iterable[Event], vm: str, source: str, target: str, since: float) -> tuple[float, float] | None:
    """When a VM stopped at the source and went on at the target; None when it has not gone on there.

    A VM can stop, go on at the source and stop again; what counts is the stop it went on from.
    """
    stopped = None
    for event in sorted(event for event in events if event.vm == vm and event.at >= since):
        if (event.node, event.name) == (source, "STOP"):
            stopped = event.at
        elif (event.node, event.name) == (target, "RESUME") and stopped is not None:
            return stopped, event.at
    return None


@dataclass(frozen=True)
class Spread:
    """The distribution of one measure."""

    count: int
    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None of nothing. Between two values a percentile is interpolated."""
        if not values:
            return None
        if len(values) == 1:
            return cls(1, values[0], values[0], values[0])
        p95 = statistics.quantiles(values, n=20, method="inclusive")[18]
        return cls(len(values), statistics.median(values), p95, max(values))


def schedule(wanted: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
    """An order for so many repetitions of each (load, way): interleaved, the rarer spread over the whole run.

    Loads take turns, and within a load its ways; whatever the machine does meanwhile, it does to all of them.
    """
    rounds = max(wanted.values(), default=0)
    return [
        cell
        for turn in range(rounds)
        for cell, count in wanted.items()
        if turn * count // rounds != (turn + 1) * count // rounds
    ]


def summary(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One row per load and way, in their order of appearance: how many, how many failed, a Spread per measure."""
    rows = []
    for load, way in dict.fromkeys((record["load"], record["way"]) for record in records):
        mine = [record for record in records if (record["load"], record["way"]) == (load, way)]
        row: dict[str, Any] = {"load": load, "way": way, "count": len(mine)}
        row["failed"] = sum(record["error"] is not None for record in mine)
        for key in MEASURES:
            spread = Spread.of(_values(mine, key))
            row[key] = asdict(spread) if spread else None
        rows.append(row)
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The summary for people: p50, p95 and max of each measure."""
    head = ["load", "way", "n", "failed", *MEASURES.values()]
    lines = [head]
    for row in rows:
        cells = [row["load"], row["way"], str(row["count"]), str(row["failed"] or "")]
        lines.append(cells + [_cell(row[key]) for key in MEASURES])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, "(measures: p50 / p95 / max)"])


def _cell(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return "-"
    return " / ".join(f"{spread[key]:.0f}" for key in ("p50", "p95", "max"))


# --- verdicts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Criterion:
    """What was asked and what came out. ``met`` is None when it was not measured, or not often enough."""

    what: str
    asked: str
    measured: str
    met: bool | None


#: Migrations without a loss that a claim of no loss takes.
LOSSLESS = 50


def criteria(records: Sequence[Record]) -> list[Criterion]:
    """What is asked of migrations of a VM."""
    return [
        _ratio(records, "idle, median pause", "pause_ms", "virsh", 0.2),
        _ratio(records, "idle, median client silence", "silence_ms", "virsh", 0.7),
        _ratio(records, "idle, median client silence", "silence_ms", "stock", 0.4),
        *(_lossless(records, rate) for rate in (100, 1000)),
        _duplicates(records, 100, 5),
        _ratio(records, "idle, median total time", "total_ms", "virsh", 1.2),
        *(
            _ratio(records, f"filter and firewall, {load}, median {what}", key, "unfiltered", 1.05, load)
            for load in ("idle", "udp-1000")
            for what, key in (("pause", "pause_ms"), ("client silence", "silence_ms"))
        ),
    ]


def container_criteria(records: Sequence[Record]) -> list[Criterion]:
    """What is asked of moves of a container; a record's ``load`` says where and what it is."""
    shared = Spread.of(_values(_of(records, "drover", "shared"), "silence_ms"))
    big = Spread.of(_values(_of(records, "drover", "local-2GB"), "silence_ms"))
    naive = Spread.of(_values(_of(records, "naive", "local-2GB"), "silence_ms"))
    return [
        _at_most("container on shared storage, longest outage", shared.max if shared else None, 1500),
        _at_most("container of 2 GB on local storage, longest outage", big.max if big else None, 2500),
        _share("container of 2 GB on local storage, median outage", "the naive way's", big, naive, 0.2),
    ]


def soak_criterion(asked: int, done: int, failures: Sequence[str]) -> Criterion:
    """What is asked of very many migrations in a row."""
    met = None if done < asked and not failures else not failures
    return Criterion(
        "consecutive migrations: no reset, counter continuous, memory right, never rebooted",
        str(asked),
        f"{done}" + (f", {len(failures)} failures: {failures[0]}" if failures else ", 0 failures"),
        met,
    )


def verdicts(found: Sequence[Criterion]) -> str:
    """Criteria for people."""
    words = {True: "met", False: "NOT MET", None: "not measured"}
    lines = [["criterion", "asked", "measured", "verdict"]]
    lines += [[one.what, one.asked, one.measured, words[one.met]] for one in found]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _ratio(records: Sequence[Record], what: str, key: str, other: str, most: float, load: str = "idle") -> Criterion:
    mine, theirs = (Spread.of(_values(_of(records, way, load), key)) for way in ("drover", other))
    return _share(what, f"{other}'s", mine, theirs, most)


def _share(what: str, whose: str, mine: Spread | None, theirs: Spread | None, most: float) -> Criterion:
    asked = f"at most {most:g} of {whose}"
    if mine is None or theirs is None or not theirs.p50:
        return Criterion(what, asked, "-", None)
    share = mine.p50 / theirs.p50
    return Criterion(what, asked, f"{share:.2f} ({mine.p50:.0f} of {theirs.p50:.0f} ms)", share <= most)


def _at_most(what: str, value: float | None, most: float) -> Criterion:
    measured = "-" if value is None else f"{value:.0f} ms"
    return Criterion(what, f"at most {most:g} ms", measured, None if value is None else value <= most)


def _lossless(records: Sequence[Record], rate: int) -> Criterion:
    mine = [record for record in _of(records, "drover", f"udp-{rate}") if record["lost"] is not None]
    lost = sum(record["lost"] for record in mine)
    met = False if lost else (True if len(mine) >= LOSSLESS else None)
    asked = f"0 over at least {LOSSLESS} migrations"
    return Criterion(f"packets lost at {rate} a second", asked, f"{lost} over {len(mine)}", met)


def _duplicates(records: Sequence[Record], rate: int, most: int) -> Criterion:
    values = _values(_of(records, "drover", f"udp-{rate}"), "duplicated")
    what, asked = f"duplicates per migration at {rate} a second", f"at most {most}"
    if not values:
        return Criterion(what, asked, "-", None)
    return Criterion(what, asked, f"at most {max(values):.0f} in {len(values)}", max(values) <= most)


def _of(records: Sequence[Record], way: str, load: str) -> list[Record]:
    return [record for record in records if (record["way"], record["load"]) == (way, load)]


def _values(records: Iterable[Record], key: str) -> list[float]:
    return list(_numbers(record.get(key) for record in records if record["error"] is None))


def _numbers(values: Iterable[Any]) -> Iterator[float]:
    return (value for value in values if value is not None)
