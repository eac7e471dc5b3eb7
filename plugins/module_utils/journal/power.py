# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal knows of nodes' power: who was confirmed to be off by whom, and whose fencing was proven when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from . import book
from .book import Entry

__all__ = ["entry", "unproven"]


def entry(kind: Literal["confirmation", "proof"], node: str, result: str, *, since: float, **more: Any) -> Entry:
    """The record of something done about a node's power, which has ended now. ``since`` is unix time."""
    return {"kind": kind, "node": node, "started": book.stamp(since), "ended": book.stamp(), "result": result, **more}


def unproven(entries: Iterable[Mapping[str, Any]], nodes: Collection[str], days: int, now: datetime) -> dict[str, str]:
    """The nodes whose fencing was never proven, or not within so many days; with the day of the last proof, or ""."""
    last: dict[str, str] = {}
    for known in entries:
        if known.get("kind") == "proof" and known.get("result") == "fenced":
            node = str(known.get("node"))
            last[node] = max(last.get(node, ""), str(known.get("started")))
    return {node: last.get(node, "")[:10] for node in sorted(nodes) if _is_old(last.get(node, ""), days, now)}


def _is_old(when: str, days: int, now: datetime) -> bool:
    try:
        return (now - datetime.fromisoformat(when).replace(tzinfo=UTC)).days >= days
    except ValueError:
        return True
