# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster's own part in a recovery, by its nodes' logs: when a loss was noticed, a node fenced, a guest started.

Pacemaker keeps these moments nowhere else to the millisecond; its status and its configuration have whole seconds. A
line that is not understood leaves a gap in the table, and decides nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core.command import CommandError, Runner

__all__ = ["Event", "Moments", "events", "moments", "read"]

_LOST = re.compile(r"Node (?P<name>\S+) state is now lost")
_FENCED = re.compile(r"Operation '(?:off|reboot)' targeting (?P<name>\S+) by .*: OK\b", re.IGNORECASE)
_NOT_FENCED = re.compile(r"Operation '(?:off|reboot)' targeting (?P<name>\S+) by .*: (?!OK\b)", re.IGNORECASE)
_STARTED = re.compile(r"Result of start operation for (?P<name>\S+) on \S+: OK\b", re.IGNORECASE)
_FAILED = re.compile(r"Result of (?:monitor|asyncmon) operation for (?P<name>\S+) on \S+: (?!OK\b)", re.IGNORECASE)
_STOPPING = re.compile(r"Requesting local execution of stop operation for (?P<name>\S+) on ")
_KINDS = {
    "lost": _LOST,
    "fenced": _FENCED,
    "not fenced": _NOT_FENCED,
    "started": _STARTED,
    "failed": _FAILED,
    "stopping": _STOPPING,
}
_DAEMONS = ("pacemaker-controld", "pacemaker-fenced", "pacemaker-attrd", "pacemaker-based")


@dataclass(frozen=True, order=True)
class Event:
    """One moment, in seconds since the epoch: what happened to the node or guest of this name."""

    when: float
    kind: str
    name: str


@dataclass(frozen=True)
class Moments:
    """Seconds from the strike until the cluster had noticed, fenced the node, and started the guest."""

    detected: float | None = None
    fenced: float | None = None
    started: float | None = None


def read(runner: Runner, since: float, offset: float = 0.0) -> list[Event]:
    """What a node's log has since a moment, nothing without an answer. ``offset``: seconds that its clock is ahead."""
    argv = ["journalctl", "--output=json", "--output-fields=MESSAGE", f"--since=@{int(since + offset)}"]
    try:
        found = runner([*argv, *(f"--identifier={daemon}" for daemon in _DAEMONS)], ok=None, timeout=30).stdout
    except CommandError:
        return []
    return [Event(one.when - offset, one.kind, one.name) for one in events(found.splitlines())]


def events(lines: Iterable[str]) -> list[Event]:
    """The moments in a journal, as ``journalctl --output=json`` writes it."""
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
            message, when = str(entry["MESSAGE"]), int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        except (ValueError, KeyError):
            continue
        found += [
            Event(when, kind, match["name"]) for kind, pattern in _KINDS.items() if (match := pattern.search(message))
        ]
    return sorted(found)


def moments(seen: Sequence[Event], strike: float, guest: str, lost: Iterable[str] = ()) -> Moments:
    """A guest's recovery after a strike. ``lost`` are the nodes that were struck with the guest on them."""
    after = [one for one in seen if one.when >= strike]

    def first(kinds: Mapping[str, Iterable[str]]) -> float | None:
        return next((round(one.when - strike, 2) for one in after if one.name in kinds.get(one.kind, ())), None)

    lost = list(lost)
    own = {"failed": [guest], "stopping": [guest]}
    return Moments(
        detected=first({"lost": lost}) if lost else first(own),
        fenced=first({"fenced": lost}),
        started=first({"started": [guest]}),
    )
