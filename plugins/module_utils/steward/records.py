# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal knows of the steward's doings: log-ins, ends of sessions, refusals, operations and their ends.

Each is an entry of the journal (journal/book.py) with ``node``, the node that served it, and ``kind``: "log-in",
"session-end", "refusal", "operation", "operation-end", "merge-request". Nothing of it is kept in memory, so every
node that has the journal knows the same, and the death of one loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..core.node_name import node_name
from ..journal import book
from ..journal.book import Entry
from ..journal.kinds import Kinds
from .sessions import LONGEST, Session

__all__ = ["Ledger", "seconds_of"]

#: The kinds that are looked for, by how they begin.
_KEPT = ("session-end", "operation", "merge-request", "proof", "story", "drill", "declaration")


class Ledger:
    """The journal as this node has it, for what the steward asks of it."""

    def __init__(self, own: book.Book | None = None, record: Callable[[Mapping[str, Any]], None] = book.record) -> None:
        self.book, self._record = own or book.Book(), record
        self._kinds = Kinds(self.book, *_KEPT)

    def entries(self, *kinds: str) -> list[Entry]:
        """The entries of these kinds, each one of those that are kept at hand or begins with one; the newest last."""
        return self._kinds.entries(*kinds)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Put an entry on record here and on every member that answers."""
        self._record({"node": node_name(), "started": book.stamp(), **entry})

    def audit(self, kind: str, who: str, origin: str, result: str, *, at: float | None = None, **more: Any) -> None:
        """Put on record that somebody did something, or was refused it."""
        self.write({"kind": kind, "by": who, "origin": origin, "started": book.stamp(at), "result": result, **more})

    def end(self, session: Session, origin: str, at: float, *, everywhere: bool) -> None:
        """Put on record that a session is over, or all of its user that have begun by now."""
        more: dict[str, Any] = {} if everywhere else {"session": session.id}
        self.audit(
            "session-end", session.user, origin, "logged out everywhere" if everywhere else "logged out", at=at, **more
        )

    def is_over(self, session: Session) -> bool:
        """Whether a session was ended before its time."""
        for entry in reversed(self.entries("session-end")):
            ended = seconds_of(entry["started"])
            if ended < session.end - LONGEST:
                return False
            if entry.get("by") != session.user:
                continue
            if entry["session"] == session.id if "session" in entry else session.start <= ended:
                return True
        return False


def seconds_of(moment: str) -> float:
    """A moment of the journal as unix time; 0 for what is none."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
