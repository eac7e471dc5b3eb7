# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "migrate", planned: where a guest may go, and what the cluster has to be told for it.

A move is a pair of constraints that last until the guest is there: to the target, else back. A guest without
high availability is bound to its node by a pin; its pin moves, and stays.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..cluster.cib import Configuration
from ..cluster.guests import back_id, drain_id, move_id, pin_id
from ..cluster.objects import Constraint, Location, Pin, Primitive, Wanted
from ..cluster.pacemaker import Snapshot
from ..cluster.status import ClusterStatus, FailedAction
from ..core.errors import DroverError
from ..preflight.cluster_checks import ClusterChecks
from ..preflight.reasons import Seen, blocking, reasons
from .targets import against, choose

__all__ = [
    "Move",
    "Refused",
    "UnderWay",
    "arrived",
    "causes",
    "finished",
    "longest",
    "outcome",
    "plan",
    "undone",
]

_NOTHING_SEEN: Seen = {}


class Refused(DroverError):
    """The move can't be made. The message gives the reason and the remedy."""


class UnderWay(DroverError):
    """The cluster is at work with these guests, or about to be, and that has to end first: a move that is ordered then
    would make Pacemaker give up the one under way, and start the guest anew."""

    def __init__(self, guests: Collection[str]) -> None:
        super().__init__(f"on the way: {', '.join(sorted(guests))}")
        self.guests = guests


@dataclass(frozen=True)
class Move:
    """A move to be made: ``wanted`` starts it, or removes what is left of one that is not ``needed`` any more.
    ``timeout`` is the seconds that Pacemaker gives it at most, ``known`` are failures from before."""

    guest: str
    source: str
    target: str
    wanted: Wanted
    live: bool
    timeout: float
    known: tuple[FailedAction, ...] = ()

    @property
    def needed(self) -> bool:
        return self.source != self.target


def plan(
    guest: str,
    to: str | None,
    live: Configuration,
    status: ClusterStatus,
    seen: Seen = _NOTHING_SEEN,
    ignore: Collection[str] = (),
) -> Move:
    """The move of a guest to ``to``, or to the best of the other nodes.

    ``seen`` is what the nodes have against it, ``ignore`` are codes that are not to stand in its way (see targets.py).
    Raises Refused, and UnderWay for a guest that is between two nodes.
    """
    checks = ClusterChecks(live, status)
    if why := blocking(checks.immobile(guest)):
        raise Refused(reasons(why))
    source = checks.source_of(guest)
    if source is None:
        raise UnderWay([guest])
    begun = live.constraints.get(move_id(guest))
    if to is None and isinstance(begun, Location):
        # An earlier run was interrupted: finish what it began.
        to = begun.node
    if to is None:
        choice = choose(guest, source, checks, seen, ignore)
        if choice.target is None:
            raise Refused(f"{guest} can't leave {source}. {choice.why_not()}")
        to = choice.target
    elif to != source and (why := against(guest, to, checks, seen.get(to, ()), ignore)):
        raise Refused(f"{guest} can't go from {source} to {to}: {reasons(why)}")
    wanted = finished(guest)
    if to != source:
        wanted = Wanted(constraints=_held(guest, source, to, live), absent=frozenset({drain_id(guest)}))
    primitive = live.primitives[guest]
    # A container on local storage is copied while it runs, but then it stops and starts.
    live_move = primitive.meta.get("allow-migrate") == "true" and primitive.type == "vm"
    return Move(guest, source, to, wanted, live_move, longest(primitive), status.failures_of(guest))


def longest(primitive: Primitive) -> float:
    """Seconds that Pacemaker gives a guest's move at most, and some for its own part."""
    names = {"migrate_to", "migrate_from"} if primitive.meta.get("allow-migrate") == "true" else {"start", "stop"}
    return sum(_seconds(op.timeout) for op in primitive.operations if op.name in names) + 30


def finished(guest: str) -> Wanted:
    """What remains to be told when a guest has arrived."""
    return Wanted(absent=_temporary(guest) | {drain_id(guest)})


def arrived(move: Move, live: Configuration) -> Wanted:
    """The same after this very move, save what somebody has ordered by now: another one, or a drain."""
    return Wanted(absent=_temporary(move.guest)) if _still(move, live) else Wanted()


def undone(move: Move, live: Configuration) -> Wanted:
    """What takes a move back that failed, unless somebody has ordered another one by now."""
    if not _still(move, live):
        return Wanted()
    held = live.constraints.get(pin_id(move.guest))
    back: tuple[Constraint, ...] = (Pin(held.id, move.guest, move.source),) if isinstance(held, Pin) else ()
    return Wanted(constraints=back, absent=_temporary(move.guest))


def causes(move: Move, status: ClusterStatus) -> list[str]:
    """What went wrong during a move."""
    return [str(failure) for failure in status.failures_of(move.guest) if failure not in move.known]


def outcome(move: Move, seen: Snapshot) -> str:
    """How far a move is: "arrived", "failed" or "under way"."""
    guest = seen.status.resource(move.guest)
    if guest is None or not seen.idle([move.guest]):
        return "under way"
    if guest.running and guest.node == move.target:
        return "arrived"
    # Nothing is ahead, and it is not there: Pacemaker has given up.
    return "failed"


def _held(guest: str, source: str, target: str, live: Configuration) -> tuple[Constraint, ...]:
    """The constraints that bring a guest to a node, or back to where it was when that fails."""
    if isinstance(live.constraints.get(pin_id(guest)), Pin):
        return (Pin(pin_id(guest), guest, target),)
    return (
        Location(move_id(guest), guest, target, "INFINITY"),
        Location(back_id(guest), guest, source, "100000"),
    )


def _still(move: Move, live: Configuration) -> bool:
    ordered = [live.constraints.get(name) for name in (move_id(move.guest), pin_id(move.guest))]
    return all(one.node == move.target for one in ordered if isinstance(one, Location | Pin))


def _temporary(guest: str) -> frozenset[str]:
    return frozenset({move_id(guest), back_id(guest)})


def _seconds(text: str) -> float:
    return float(text.removesuffix("s") or 0)
