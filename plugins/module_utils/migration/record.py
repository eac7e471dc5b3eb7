# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a VM's live migration: its record for the journal, what those who watch are told meanwhile, and the
cause of a failure in words.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from ..core.errors import DroverError
from ..hypervisor.libvirt_connection import LibvirtUnreachable
from ..hypervisor.libvirt_migration import Outcome
from ..journal.book import stamp
from . import progress as moves
from .convergence import Sample

__all__ = ["MigrationFailed", "Report", "arrival", "cause"]

#: Seconds between two words to those who watch.
_WORD = 1.0
#: In libvirt's words: its own QEMU has ended; it does not reach the other node; it, or QEMU, no longer hears that.
_QEMU_LOST = re.compile(r"\bmonitor\b", re.IGNORECASE)
_NO_CONNECTION = re.compile(r"unable to connect|connection refused|no route to host", re.IGNORECASE)
_CONNECTION_LOST = re.compile(
    r"client socket is closed|end of file|broken pipe|reset by peer|keepalive|error in the (push|pull) function",
    re.IGNORECASE,
)


class MigrationFailed(DroverError):
    """The VM did not get to the target. The text says why."""


class Report:
    """The account of one migration at its source: ``record``, filled as it goes on, and words to whoever watches.

    ``memory`` is the VM's in bytes.
    """

    def __init__(
        self, definition: Mapping[str, Any], source: str, target: str, memory: int, clock: Callable[[], float]
    ) -> None:
        who = {"kind": "vm", "from": source, "to": target}
        self._guest, self._memory, self._clock = str(definition["name"]), memory, clock
        self._told = -_WORD
        self.record: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "guest": self._guest,
            **who,
            "started": stamp(),
            "policy": dict(definition.get("migration") or {}),
            "forwarded": 0,
        }
        self._known = {**who, "id": self.record["id"], "since": time.time()}

    def tell(self, phase: str, done: float, sample: Sample | None = None, pause: int = 0) -> None:
        """Tell how far it is, at most once a second: ``done`` in per cent, the ``pause`` in ms that is expected."""
        now = self._clock()
        if now - self._told < _WORD:
            return
        self._told = now
        more: dict[str, Any] = {}
        if sample is not None:
            more = {
                "rate": sample.rate,
                "round": sample.passes,
                "remaining": sample.remaining,
                "pause_ms": pause,
            }
        moves.progress(self._guest, **self._known, phase=phase, percent=round(done), total=self._memory, **more)

    def tell_at_once(self) -> None:
        """Let the next word not wait for its second."""
        self._told = -_WORD

    def tell_failed(self) -> None:
        """Tell that it failed. progress.py knows that until who puts it on record says that it is done."""
        moves.progress(self._guest, **self._known, phase="failed")

    def note(self, seconds: float, rounds: int, sent: int, path: Sequence[str]) -> None:
        """What it took. To the ``path``, the same list, words may still be added."""
        self.record.update(seconds=round(seconds, 3), rounds=rounds, bytes=sent, path=path)

    def gave_way(self) -> None:
        """It was given up for others, and nothing is against its being tried again."""
        self.record["gave_way"] = True

    def moved(self) -> None:
        """It runs at the target, or nobody can tell and it is not here."""
        self.record["result"] = "moved"

    def fail(self, reason: str) -> NoReturn:
        """Put on record and tell that it failed. Raises MigrationFailed."""
        self.record.update(result="failed", reason=reason, ended=stamp())
        self.tell_failed()
        raise MigrationFailed(reason)


def cause(error: Exception, source: str, target: str) -> str:
    """Why libvirt ended a migration, for a person: what was lost, and libvirt's own words."""
    said = str(error)
    if isinstance(error, LibvirtUnreachable):
        return f"libvirt's daemon on {source} ended meanwhile ({said})"
    if _QEMU_LOST.search(said):
        return said
    if _NO_CONNECTION.search(said):
        return f"{target} cannot be reached ({said})"
    if _CONNECTION_LOST.search(said):
        return f"the connection to {target} was lost ({said})"
    return said


def arrival(
    name: str, source: str | None, target: str, outcome: Outcome | None, report: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a migration that has arrived: what its source reported, and what libvirt knows at the target.

    Its ``seconds`` and ``downtime_ms`` are the hypervisor's: from its start, and from the VM's last moment at the
    source to its first at the target.
    """
    known = {"guest": name, "kind": "vm", "from": source, "to": target, "started": stamp(), "path": ["pre-copy"]}
    record = {**known, **report, "result": "moved", "ended": stamp()}
    if outcome is not None:
        record.update(
            seconds=outcome.total / 1000, downtime_ms=outcome.pause, rounds=outcome.passes, bytes=outcome.sent
        )
    return record
