# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is to tell, by what was seen before: a node that is lost takes with it where its guests were.

Every node watches, though one alone tells: whichever is left knows what has happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..cluster.stopped import stopped_by
from ..cluster.unconfirmed import guests_on
from .spool import Event
from .stories import Loss, Sight, Story, deaths, died, last_cut, lost, seconds, states

__all__ = ["News", "Watch"]

#: Seconds after which what has happened is no news any more.
_OLD = 600.0
#: Seconds for which a loss is looked at often: what cannot be fenced may stay so for days.
_BUSY = 120.0
#: Seconds that quorum has to be away before people are told: nodes come and go.
_SETTLED = 15.0


@dataclass(frozen=True)
class News:
    """What one look gives: stories that are ``ready`` to be told, and whether others are still ``going_on``; the kinds
    and subjects of all ``states`` there are now."""

    ready: tuple[Story, ...]
    states: frozenset[tuple[str, str]]
    going_on: bool


class Watch:
    """The memory of one node's notifier."""

    def __init__(self) -> None:
        self._placed: dict[str, str] = {}
        self._losses: dict[str, Loss] = {}
        self._told: set[Loss] = set()
        self._without_quorum: float | None = None
        self._heard: list[Event] = []

    def see(self, sight: Sight, events: Iterable[Event] = ()) -> News:
        """What there is to tell now."""
        self._note_losses(sight, [event for event in events if event.kind == "node"])
        if sight.status.quorum:
            self._without_quorum = None
        ready: list[Story] = []
        going_on = False
        for loss in list(self._losses.values()):
            story = lost(loss, sight)
            going_on = going_on or (story is None and sight.now - loss.noticed < _BUSY)
            ready += [story] if story is not None else []
        for death in deaths(sight.cib):
            if sight.now - death.when < _OLD:
                story = died(death, sight)
                ready += [story] if story is not None else []
                down = stopped_by(sight.live.primitives[death.guest])
                going_on = going_on or (story is None and not down)
        found = [story for story in states(sight) if self._lasts(story, sight.now)]
        self._place(sight)
        now = {(story.kind, story.subject) for story in found}
        # Between two tries nobody fails to fence it, and yet it is the same trouble.
        now |= {("unconfirmed", node.name) for node in sight.status.nodes if node.unclean}
        now |= set() if sight.status.quorum else {("no-quorum", "cluster")}
        return News((*ready, *found), frozenset(now), going_on)

    def _note_losses(self, sight: Sight, events: list[Event]) -> None:
        self._heard += events
        # Who has only just come itself sees the others away, until it has met them.
        if not sight.status.quorum or sight.status.dc is None:
            return
        events, self._heard = self._heard, []
        for node in sight.status.nodes:
            cut = last_cut(sight.status, node.name)
            off = seconds(cut.when) if cut is not None else None
            known = self._losses.get(node.name)
            if node.online and known is not None and known in self._told:
                del self._losses[node.name]
                self._told.discard(known)
                continue
            there = {name for name, place in self._placed.items() if place == node.name}
            guests = frozenset(there | set(guests_on(sight.status, node.name)) if node.unclean else there)
            # Somebody is at work on a node in maintenance, and may well have cut its power.
            if node.online or (node.standby and not guests):
                continue
            if node.unclean and known is None:
                told = [event.when for event in events if event.node == node.name]
                self._losses[node.name] = Loss(node.name, max(told, default=sight.now), guests)
            elif node.unclean and known is not None and guests - known.guests:
                self._losses[node.name] = replace(known, guests=known.guests | guests)
            elif known is None and off is not None and sight.now - off < _OLD and there:
                # It was fenced between two looks.
                self._losses[node.name] = Loss(node.name, off, guests)

    def told(self, story: Story) -> None:
        """A story is on record: of a loss nothing more is to be told when its node comes back."""
        if story.kind == "lost" and story.subject in self._losses:
            self._told.add(self._losses[story.subject])

    def _lasts(self, story: Story, now: float) -> bool:
        if story.kind != "no-quorum":
            return True
        self._without_quorum = now if self._without_quorum is None else self._without_quorum
        return now - self._without_quorum >= _SETTLED

    def _place(self, sight: Sight) -> None:
        """Remember where guests run, for the time when nobody can say any more."""
        known = sight.live.guests()
        up = {node.name for node in sight.status.nodes if node.online}
        for one in sight.status.resources:
            if one.name in known and one.node in up:
                self._placed[one.name] = str(one.node)
