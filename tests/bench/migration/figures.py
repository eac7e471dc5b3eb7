# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From single migrations to distributions, a table and verdicts. All of it pure.

A *record* is one migration as it is written to the results: ``way``, ``load``, ``error`` (None when it arrived),
and what was measured, None for what was not. Times are in milliseconds.
"""

from __future__ import annotations

import random
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

    Loads take turns, and within a load its ways; whatever the machine does meanwhile, it does to all of them. Every
    other round goes the other way round: VMs go from node to node, and in one order each way had nodes of its own.
    """
    rounds = max(wanted.values(), default=0)
    return [
        cell
        for turn in range(rounds)
        for cell, count in list(wanted.items())[:: -1 if turn % 2 else 1]
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
    """What was asked and what came out.

    ``met`` is None when it was not measured, or not often enough; ``chance``: chance alone may have missed it.
    """

    what: str
    asked: str
    measured: str
    met: bool | None
    chance: bool = False


#: What is said of what was not measured.
_NOTHING = "-"

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
    shared = _values(_of(records, "drover", "shared"), "silence_ms")
    big = _values(_of(records, "drover", "local-2GB"), "silence_ms")
    naive = _values(_of(records, "naive", "local-2GB"), "silence_ms")
    return [
        _at_most("container on shared storage, longest outage", max(shared, default=None), 1500),
        _at_most("container of 2 GB on local storage, longest outage", max(big, default=None), 2500),
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
    lines += [
        [one.what, one.asked, one.measured, words[one.met] + (", which may be chance" if one.chance else "")]
        for one in found
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _ratio(records: Sequence[Record], what: str, key: str, other: str, most: float, load: str = "idle") -> Criterion:
    mine, theirs = (_values(_of(records, way, load), key) for way in ("drover", other))
    return _share(what, f"{other}'s", mine, theirs, most)


def _share(what: str, whose: str, mine: Sequence[float], theirs: Sequence[float], most: float) -> Criterion:
    asked = f"at most {most:g} of {whose}"
    if not mine or not theirs or not statistics.median(theirs):
        return Criterion(what, asked, _NOTHING, None)
    share = statistics.median(mine) / statistics.median(theirs)
    measured = f"{share:.2f} ({statistics.median(mine):.0f} of {statistics.median(theirs):.0f} ms)"
    if share <= most:
        return Criterion(what, asked, measured, True)
    low, high = _range(mine, theirs)
    return Criterion(what, asked, f"{measured}, {low:.2f} to {high:.2f}", False, chance=low <= most)


def _range(mine: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Between what the ratio of two medians lies, as far as chance lets these values tell: 95 of 100 times.

    By the percentiles of resampling (bootstrap), from a fixed seed.
    """
    dice = random.Random(1)

    def median(values: Sequence[float]) -> float:
        return statistics.median(dice.choices(values, k=len(values)))

    shares = [median(mine) / max(median(theirs), 1e-9) for _ in range(2000)]
    cuts = statistics.quantiles(shares, n=40, method="inclusive")
    return cuts[0], cuts[-1]


def _at_most(what: str, value: float | None, most: float) -> Criterion:
    measured = _NOTHING if value is None else f"{value:.0f} ms"
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
        return Criterion(what, asked, _NOTHING, None)
    return Criterion(what, asked, f"at most {max(values):.0f} in {len(values)}", max(values) <= most)


def _of(records: Sequence[Record], way: str, load: str) -> list[Record]:
    return [record for record in records if (record["way"], record["load"]) == (way, load)]


def _values(records: Iterable[Record], key: str) -> list[float]:
    return list(_numbers(record.get(key) for record in records if record["error"] is None))


def _numbers(values: Iterable[Any]) -> Iterator[float]:
    return (value for value in values if value is not None)
