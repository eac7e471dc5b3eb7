# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moves in words: how far one is, how one went, and the journal as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.quantities import GIB, KIB, MIB
from ..core.table import columns

__all__ = ["Lines", "of_record", "outcome", "progress", "table"]

#: Seconds between two lines on a guest whose move goes on as it did.
_EVERY = 2.0


def outcome(result: Mapping[str, Any]) -> str:
    """How a move went, on one line: ``game: node1 -> node2, live, 1.8 s, pause 21 ms, 3 rounds, 61.0 MiB``.

    ``result`` is what cspp.drover.guest_migrate returns, or what there is of it.
    """
    words = [f"{result['guest']}: {result['from']} -> {result['to']}"]
    if result.get("result") == "failed":
        return f"{words[0]}, failed: {result.get('reason')}"
    if result.get("method"):
        words.append(str(result["method"]))
    if result.get("seconds") is not None:
        words.append(f"{result['seconds']:.1f} s")
    if result.get("downtime_ms") is not None:
        words.append(f"{'pause' if result.get('method') == 'live' else 'away'} {milliseconds(result['downtime_ms'])}")
    if result.get("client_silence_ms") is not None:
        words.append(f"silence {milliseconds(result['client_silence_ms'])}")
    probe = result.get("probe") or {}
    if probe:
        words.append(f"{probe['lost']} of {probe['sent']} packets lost")
        if probe["duplicated"]:
            words.append(f"{probe['duplicated']} doubled")
        if probe.get("broken"):
            words.append(f"the session broke ({probe['broken']})")
    if result.get("rounds"):
        words.append(f"{result['rounds']} rounds" if result["rounds"] > 1 else "1 round")
    if result.get("bytes"):
        words.append(size(result["bytes"]))
    return ", ".join(words)


def of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the journal as if it were a module's result."""
    return {**record, "method": "live" if record.get("kind") == "vm" else "restart"}


def progress(move: Mapping[str, Any]) -> str:
    """How far a move is: ``game: 63% of 2.0 GiB to node2, 118.0 MiB/s, round 2, pause 30 ms expected``."""
    guest, target, phase = move["guest"], move.get("to") or "another node", move.get("phase")
    if phase == "setup":
        return f"{guest}: getting ready to move to {target}"
    if phase == "failed":
        return f"{guest}: not moved to {target}"
    done = f"{move['percent']:.0f}%" if move.get("percent") is not None else "on its way"
    words = [f"{done} of {size(move['total'])} to {target}" if move.get("total") else f"{done} to {target}"]
    if phase not in ("copying", None):
        words.append(str(phase))
    if move.get("remaining") and not move.get("total"):
        words.append(f"{size(move['remaining'])} left")
    if move.get("rate"):
        words.append(f"{size(move['rate'])}/s")
    if move.get("round"):
        words.append(f"round {move['round']}")
    if move.get("pause_ms") is not None:
        words.append(f"pause {milliseconds(move['pause_ms'])} expected")
    return f"{guest}: {', '.join(words)}"


class Lines:
    """Which of the moves seen deserve a line now: a new phase at once, the same one every two seconds."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[object, float]] = {}

    def due(self, moves: Sequence[Mapping[str, Any]], now: float) -> list[str]:
        """The lines for what is seen at ``now``, in seconds."""
        lines = []
        for move in moves:
            phase, when = self._said.get(move["guest"], (None, now - _EVERY))
            if phase != move.get("phase") or now - when >= _EVERY:
                self._said[move["guest"]] = (move.get("phase"), now)
                lines.append(progress(move))
        under_way = {move["guest"] for move in moves}
        self._said = {guest: said for guest, said in self._said.items() if guest in under_way}
        return lines


def table(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The journal as lines for a terminal. Times are UTC."""
    heads = ["WHEN (UTC)", "GUEST", "FROM", "TO", "RESULT", "SECONDS", "PAUSE", "ROUNDS", "SIZE", "HOW"]
    rows = [
        [
            str(entry["started"])[:19].replace("T", " "),
            entry.get("guest") or f"(node {entry['node']})",
            str(entry.get("from") or "-"),
            str(entry.get("to") or "-"),
            str(entry.get("result") or "-"),
            f"{entry['seconds']:.1f}" if entry.get("seconds") is not None else "-",
            milliseconds(entry["downtime_ms"]) if entry.get("downtime_ms") is not None else "-",
            str(entry.get("rounds") or "-"),
            size(entry["bytes"]) if entry.get("bytes") else "-",
            str(entry.get("reason") or ", ".join(map(str, entry.get("path") or [])) or _asked(entry) or "-"),
        ]
        for entry in entries
    ]
    return columns(heads, rows)


def _asked(entry: Mapping[str, Any]) -> str:
    """What somebody asked for through the console; empty for an entry that tells of something else."""
    if not entry.get("by") or not entry.get("kind"):
        return ""
    words = [entry.get("verb"), entry.get("subject")] if entry.get("verb") else [entry["kind"]]
    return f"{' '.join(str(word) for word in words if word)} by {entry['by']}"


def size(number: float) -> str:
    """Bytes for people."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}" if number < 10 * unit else f"{number / unit:.0f} {name}"
    return f"{number:.0f} B"


def milliseconds(number: float) -> str:
    """A short time for people."""
    return f"{number:.0f} ms" if number < 1000 else f"{number / 1000:.2f} s"
