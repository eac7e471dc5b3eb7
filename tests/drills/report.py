# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What many drills came to: a line for each, a table by kind, and the numbers that have to be nought."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.table import columns

__all__ = ["Result", "line", "summary", "well"]

#: The outcome of a drill as the play returns it, with ``name`` and, where the play failed, what it said as ``wrong``.
Result = Mapping[str, Any]

_TIMES = ("detected", "fenced", "started", "answered")


def line(number: int, result: Result) -> str:
    """One drill as it ends, with all that is wrong under it."""
    told = [f"{number:4} {'ok' if well([result]) else 'WRONG':5} {result['seconds']:6.1f} s  {result['name']}"]
    for guest in _struck([result]):
        times = ", ".join(f"{what} {guest[what]:.1f}" for what in _TIMES if guest[what] is not None)
        kept = "" if guest["lost"] is None else f"; lost {guest['lost']} of {guest['acknowledged']} records"
        told.append(f"           {guest['name']} of {guest['node']}: {times or 'not away'}{kept}")
    told += [f"         ~ {note}" for note in result.get("notes", ())]
    return "\n".join([*told, *(f"        !! {wrong}" for wrong in result["wrong"])])


def summary(results: Sequence[Result]) -> str:
    """The table, and the numbers under it."""
    rows = []
    for name in dict.fromkeys(_kind(result) for result in results):
        mine = [result for result in results if _kind(result) == name]
        rows.append(
            [
                name,
                str(len(mine)),
                *(_median([guest[what] for guest in _struck(mine)]) for what in _TIMES),
                str(_twice(mine)),
                str(_lost(mine)),
                str(sum(not well([result]) for result in mine)),
            ]
        )
    told = columns(["DRILL", "TIMES", *(what.upper() for what in _TIMES), "TWICE", "LOST", "WRONG"], rows)
    kept = sum(guest["acknowledged"] or 0 for result in results for guest in result["guests"])
    return "\n".join(
        [
            *told,
            "",
            "Seconds from the strike, median and most, of the guests that were struck.",
            f"drills: {len(results)}",
            f"double runs: {_twice(results)}",
            f"acknowledged writes lost: {_lost(results)} of {kept}",
            f"drills with anything otherwise than it should be: {sum(not well([result]) for result in results)}",
        ]
    )


def well(results: Sequence[Result]) -> bool:
    """Whether nothing was wrong with any of them."""
    return not any(result["wrong"] for result in results)


def _kind(result: Result) -> str:
    return f"{result['drill']} ({result['variant']})"


def _struck(results: Sequence[Result]) -> list[Mapping[str, Any]]:
    return [guest for result in results for guest in result["guests"] if guest["struck"]]


def _twice(results: Sequence[Result]) -> int:
    return sum(bool(guest["twice"]) for result in results for guest in result["guests"])


def _lost(results: Sequence[Result]) -> int:
    return sum(guest["lost"] or 0 for result in results for guest in result["guests"])


def _median(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.1f} {max(known):.1f}" if known else "-"
