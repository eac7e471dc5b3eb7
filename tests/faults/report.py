# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What many faults came to: a line for each, a table, and the four numbers that have to be nought."""

from __future__ import annotations

from collections.abc import Sequence

from .result import Result

__all__ = ["line", "summary", "well"]


def line(number: int, result: Result) -> str:
    """One fault as it ends, with everything that is wrong under it."""
    verdict = "missed" if not result.injected else "ok" if result.well else "WRONG"
    what = f"{result.fault}, {result.phase} ({result.way}, {result.route})"
    words = [f"seen: {result.seen}"]
    if result.session:
        words.append(f"session {result.session}")
    if result.silence is not None:
        words.append(f"silence {result.silence:.1f} s")
    words += [f"again: {', '.join(result.helped)}"] if result.helped else []
    lines = [f"{number:4} {verdict:6} {result.seconds:5.1f} s  {what}: {'; '.join(words)}"]
    lines += [f"            said: {message}" for message in result.messages]
    if not result.well:
        lines += [f"         !! {wrong}" for wrong in _complaints(result)]
    return "\n".join(lines)


def summary(results: Sequence[Result]) -> str:
    """The table, and the numbers under it."""
    rows = [["fault", "phase", "injected", "lost", "twice", "broken", "left", "wrong", "missed"]]
    for key in dict.fromkeys((result.fault, result.phase) for result in results):
        mine = [result for result in results if (result.fault, result.phase) == key]
        numbers = _numbers(mine)
        rows.append([*key, *map(str, numbers), str(len(mine) - numbers[0])])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    injected, lost, twice, broken, left, wrong = _numbers(results)
    table += [
        "",
        f"faults injected: {injected}",
        f"guests lost: {lost}",
        f"double runs: {twice}",
        f"sessions broken that should have lived: {broken}",
        f"leftovers: {left}",
        f"other complaints: {wrong}",
    ]
    return "\n".join(table)


def well(results: Sequence[Result]) -> bool:
    """Whether nothing was wrong with any of them, also of those that came too late to be a fault."""
    return all(result.well for result in results)


def _numbers(results: Sequence[Result]) -> tuple[int, int, int, int, int, int]:
    """How many were injected; and what was wrong, also with those that came too late to be a fault: nothing may happen
    to a guest that only moves."""
    return (
        sum(result.injected for result in results),
        sum(result.lost for result in results),
        sum(bool(result.twice) for result in results),
        sum(bool(result.broken) for result in results),
        sum(bool(result.left) for result in results),
        sum(bool(result.wrong) for result in results),
    )


def _complaints(result: Result) -> list[str]:
    found = [f"ran twice: {text}" for text in result.twice]
    found += ["the guest was lost"] if result.lost else []
    found += [f"session that should have lived: {result.broken}"] if result.broken else []
    found += [f"left behind: {text}" for text in result.left]
    return found + result.wrong
