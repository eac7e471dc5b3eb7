# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lost node that nobody can confirm to be off, for its power controller does not answer or does not obey.

Its guests start nowhere else, since none may run twice. Most likely the controller has lost its power together with
its node. Then somebody has to go there and look, and say so: `playbooks/fencing.yml -e confirm=NODE`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.errors import DroverError
from .objects import PREFIX
from .status import ClusterStatus, FenceEvent

__all__ = ["Unconfirmed", "UnconfirmedError", "guests_on", "refuse", "unconfirmed"]

#: A failure that is older belongs to an earlier loss of the node, unless nobody tries any more.
_RECENT = timedelta(minutes=5)


@dataclass(frozen=True)
class Unconfirmed:
    """One such node. ``since`` is when fencing it first failed, as Pacemaker writes it, ``attempts`` how often it did;
    ``guests`` are those that were on it."""

    node: str
    since: str
    attempts: int
    reason: str
    guests: tuple[str, ...]

    def __str__(self) -> str:
        wait = f"Guests that wait: {', '.join(self.guests)}" if self.guests else "No guest waits"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{self.node} is lost, and since {_plainly(self.since)} nobody can confirm that it is off: its power "
            f"controller does not answer or obey{why}. {wait}. The cluster goes on trying. If you have seen with your "
            f"own eyes that {self.node} has no power: ansible-playbook playbooks/fencing.yml -e confirm={self.node}"
        )


class UnconfirmedError(DroverError):
    """What somebody waits for does not happen while nobody can confirm that a node is off."""


def unconfirmed(status: ClusterStatus) -> tuple[Unconfirmed, ...]:
    """The nodes that are lost and could not be fenced so far."""
    found = []
    for node in status.nodes:
        if not node.unclean or node.online:
            continue
        cuts = [event for event in status.fence_events if event.target == node.name and event.action != "on"]
        failures = _failures(cuts)
        if failures:
            reason = next((event.reason for event in reversed(failures) if event.reason), "")
            guests = tuple(guests_on(status, node.name))
            found.append(Unconfirmed(node.name, failures[0].when, len(failures), reason, guests))
    return tuple(found)


def guests_on(status: ClusterStatus, node: str) -> list[str]:
    """The guests that the cluster has on a node: nothing that is Drover's own."""
    return sorted(one.name for one in status.resources if node in one.nodes and not one.name.startswith(PREFIX))


def refuse(status: ClusterStatus, what: str, guests: Collection[str] | None = None) -> None:
    """Raise UnconfirmedError when the cluster waits for such a node, or one of these guests does; ``what`` is what
    somebody waits for."""
    found = [lost for lost in unconfirmed(status) if guests is None or set(lost.guests).intersection(guests)]
    if found:
        raise UnconfirmedError(f"{what} does not come about: {'; '.join(map(str, found))}. Then run this again")


def _failures(events: Iterable[FenceEvent]) -> list[FenceEvent]:
    """The attempts that failed since one succeeded, the oldest first; none while the first of them is under way."""
    ended = sorted((event for event in events if event.when), key=lambda event: event.when)
    failures: list[FenceEvent] = []
    for event in ended:
        if event.status == "success":
            failures = []
        elif event.status == "failed":
            failures.append(event)
    under_way = any(event.status not in {"success", "failed"} for event in events)
    return [] if failures and under_way and _is_old(failures[-1].when) else failures


def _plainly(when: str) -> str:
    """A moment as Pacemaker writes it, "2026-01-31 12:00:00.123456Z", without fractions of its seconds."""
    moment, point, _fraction = when.partition(".")
    return f"{moment} UTC" if point and when.endswith("Z") else when


def _is_old(when: str) -> bool:
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        return False
    return datetime.now(moment.tzinfo) - moment > _RECENT
