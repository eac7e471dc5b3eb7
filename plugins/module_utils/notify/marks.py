# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal knows of stories: which are on record, which states are over, and who was told.

Three kinds of entries, each with ``subject``, what it is about: ``story``, ready to be told, with its sentence as
``reason`` and the names of the receivers that it is ``to``; ``story-told``, for each receiver that has it;
``story-over``, the end of a state. Their ids come of what they are about, so two nodes that write the same write one
entry. All nodes have the journal, so each knows what another has told before it died.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ..journal.book import Entry, stamp
from .stories import Story

__all__ = ["KINDS", "Marks", "Untold", "age", "overdue"]

KINDS = ("story", "story-over", "story-told")
#: Seconds that two nodes may differ in when they noticed the same loss.
_SAME = 120.0
#: Seconds after which a story is no longer told.
_OLD = 86_400.0
#: Seconds after which somebody has to know that a receiver was not told: every node has tried by then.
_LATE = 300.0


class Untold(NamedTuple):
    """A story, and a receiver that does not have it."""

    story: Entry
    receiver: str


class Marks:
    """The entries of a journal that are about stories, the newest last."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._told = {entry["id"] for entry in entries if entry["kind"] == "story-told"}

    def knows(self, story: Story) -> bool:
        """Whether a story is on record: one about a moment at any time, one about a state since that began."""
        if story.key:
            return any(entry["id"] == self._id(story) for entry in self._of(story.kind, story.subject, "story"))
        if noticed := story.steps.get("noticed"):
            known = [entry["steps"]["noticed"] for entry in self._of(story.kind, story.subject, "story")]
            return any(abs(_seconds(one) - _seconds(str(noticed))) < _SAME for one in known)
        last = self._last(story.kind, story.subject)
        return last is not None and last["kind"] == "story"

    def entry(self, story: Story, node: str, to: Iterable[str], now: float) -> Entry:
        """A story as it goes on record."""
        return {
            "id": self._id(story),
            "kind": "story",
            "node": node,
            "started": stamp(now),
            "result": "ended",
            "story": story.kind,
            "subject": story.subject,
            "severity": story.severity,
            "reason": story.text,
            "to": sorted(to),
            "steps": dict(story.steps),
        }

    def over(self, states: Collection[tuple[str, str]], node: str, now: float) -> Iterator[Entry]:
        """The ends of states that are on record and are no more."""
        last: dict[tuple[str, str], Entry] = {}
        for entry in self._entries:
            # What has a time of its own is about a moment.
            if entry["kind"] != "story-told" and entry["story"] not in ("died", "lost"):
                last[entry["story"], entry["subject"]] = entry
        for (kind, subject), entry in last.items():
            if entry["kind"] == "story" and (kind, subject) not in states:
                yield {
                    "id": f"{entry['id']}.over",
                    "kind": "story-over",
                    "node": node,
                    "started": stamp(now),
                    "result": "over",
                    "story": kind,
                    "subject": subject,
                    "reason": f"no longer so: {kind}",
                }

    def untold(self, receivers: Collection[str], now: float) -> list[Untold]:
        """Who was not told what yet, of the stories that are not too old for that, the oldest first."""
        return [
            Untold(entry, receiver)
            for entry in self._entries
            if entry["kind"] == "story" and age(entry, now) < _OLD
            for receiver in entry["to"]
            if receiver in receivers and _told_id(entry, receiver) not in self._told
        ]

    def _of(self, story: str, subject: str, kind: str) -> list[Entry]:
        return [e for e in self._entries if (e["kind"], e.get("story"), e["subject"]) == (kind, story, subject)]

    def _last(self, story: str, subject: str) -> Entry | None:
        found = [*self._of(story, subject, "story"), *self._of(story, subject, "story-over")]
        return max(found, key=lambda entry: entry["started"], default=None)

    def _id(self, story: Story) -> str:
        key = story.key or str(story.steps.get("noticed") or "")
        if not key and (last := self._last(story.kind, story.subject)) is not None:
            key = last["id"]
        return hashlib.sha256(f"{story.kind}:{story.subject}:{key}".encode()).hexdigest()[:32]

    @staticmethod
    def told(untold: Untold, node: str, now: float) -> Entry:
        """The entry of a receiver that has a story."""
        story = untold.story
        return {
            "id": _told_id(story, untold.receiver),
            "kind": "story-told",
            "node": node,
            "started": stamp(now),
            "result": "told",
            "subject": story["subject"],
            "reason": f"{untold.receiver} was told: {story['story']}",
        }


def overdue(entries: Iterable[Entry], receivers: Collection[str], now: float) -> list[str]:
    """For the status: the receivers that could not be told for a while, a sentence each."""
    marks = Marks([entry for entry in entries if entry.get("kind") in KINDS])
    late = [one for one in marks.untold(receivers, now) if age(one.story, now) > _LATE]
    counts = Counter(one.receiver for one in late)
    return [
        f"{receiver} could not be told of what happened ({count} times) and is tried again; why: "
        "journalctl -u drover-notify on the nodes, and playbooks/site.yml -e notify_test=true"
        for receiver, count in sorted(counts.items())
    ]


def age(entry: Entry, now: float) -> float:
    """Seconds since an entry was written."""
    return now - _seconds(str(entry["started"]))


def _seconds(when: str) -> float:
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return 0.0


def _told_id(story: Entry, receiver: str) -> str:
    return f"{story['id']}.{hashlib.sha256(receiver.encode()).hexdigest()[:12]}"
