# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failovers, each as a line of time: lost, noticed, fenced, started, first answer.

What the cluster went through stands in the story of the lost node (notify/stories.py). When its power went, and when
its guests answered somebody again, nobody on a node can see: a drill that caused the loss has measured both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..journal.book import Entry, stamp
from .records import seconds_of

__all__ = ["failovers"]

#: Seconds from a drill's strike within which the cluster notices.
_ITS_LOSS = 120.0


def failovers(entries: Sequence[Entry], limit: int) -> list[dict[str, Any]]:
    """The failovers of a journal, the newest first: ``id``, ``node``, ``text``, ``drill`` (its name, if it was one),
    and ``steps`` in order: ``what``, the ``guest`` if it is about one, ``at``, and ``seconds`` since the first."""
    stories = [entry for entry in entries if entry.get("kind") == "story" and entry.get("story") == "lost"]
    drills = [entry for entry in entries if entry.get("kind") == "drill"]
    return [_failover(story, drills) for story in stories[::-1][:limit]]


def _failover(story: Entry, drills: Iterable[Entry]) -> dict[str, Any]:
    drill = next((one for one in drills if _caused(one, story)), None)
    steps = sorted(_steps(story, drill), key=lambda step: seconds_of(step["at"]))
    first = seconds_of(steps[0]["at"]) if steps else 0.0
    return {
        "id": story["id"],
        "node": story["subject"],
        "text": story["reason"],
        "drill": drill.get("drill") if drill else None,
        "steps": [{**step, "seconds": round(seconds_of(step["at"]) - first, 3)} for step in steps],
    }


def _caused(drill: Mapping[str, Any], story: Entry) -> bool:
    noticed = seconds_of(str((story.get("steps") or {}).get("noticed")))
    return drill.get("struck") == story["subject"] and 0 <= noticed - seconds_of(str(drill["started"])) < _ITS_LOSS


def _steps(story: Entry, drill: Entry | None) -> Iterator[dict[str, Any]]:
    told: Mapping[str, Any] = story.get("steps") or {}
    if drill is not None:
        yield {"what": "lost", "guest": None, "at": drill["started"]}
    for what in ("noticed", "fenced"):
        if told.get(what):
            yield {"what": what, "guest": None, "at": told[what]}
    for guest, when in (told.get("started") or {}).items():
        yield {"what": "started", "guest": guest, "at": when}
    if drill is not None:
        for guest, seconds in (drill.get("answered") or {}).items():
            yield {"what": "answered", "guest": guest, "at": stamp(seconds_of(drill["started"]) + seconds)}
