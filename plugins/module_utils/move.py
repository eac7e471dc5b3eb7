# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "migrate", planned: where a guest may go, and what the cluster has to be told for it.

A move is a pair of constraints that last until the guest is there: to the target, else back. A guest without
high availability is bound to its node by a pin; its pin moves, and stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .cib import Configuration
from .cib_objects import RECOVERY, Colocation, Constraint, Location, Pin, Primitive, Wanted
from .cluster_status import ClusterStatus, FailedAction
from .finding import Finding, blocking, reasons
from .pacemaker import Snapshot, pending
from .resources import back_id, drain_id, move_id, pin_id
from .simulate import Prediction

__all__ = [
    "Move",
    "Refused",
    "UnderWay",
    "arrived",
    "capacity",
    "causes",
    "choose",
    "finished",
    "free",
    "immobile",
    "longest",
    "objections",
    "outcome",
    "plan",
    "under_way",
    "undone",
]

#: What the nodes themselves have against a guest's move, by target (see readiness.py).
Seen = Mapping[str, Sequence[Finding]]
_NOTHING_SEEN: Seen = {}


class Refused(Exception):
    """The move can't be made. The message gives the reason and the remedy."""


class UnderWay(Exception):
    """Somebody else was quicker to order a move of one of these guests, and that has to end first."""

    def __init__(self, guests: Collection[str]) -> None:
        super().__init__(f"on the way: {', '.join(sorted(guests))}")
        self.guests = guests


@dataclass(frozen=True)
class Move:
    """A move to be made: ``wanted`` starts it. ``timeout`` is the seconds that Pacemaker gives it at most,
    ``known`` are failures from before."""

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


Room = Mapping[str, int]
#: What a guest takes of a node, and how it is counted.
_UNITS = {"memory": " MiB of memory", "vcpus": " vcpus"}


def capacity(live: Configuration) -> dict[str, dict[str, int]]:
    """What each node can hold, by name of resource (memory in MiB, vcpus)."""
    return {
        name: {key: int(value) for key, value in node.utilization.items() if value is not None}
        for name, node in live.nodes.items()
    }


def free(live: Configuration, status: ClusterStatus) -> dict[str, dict[str, int]]:
    """What is left of it. A guest on its way between two nodes counts on both."""
    left = capacity(live)
    for name, primitive in live.guests().items():
        seen = status.resource(name)
        for node in seen.nodes if seen is not None else ():
            for key, value in primitive.utilization.items():
                left.setdefault(node, {})[key] = left.get(node, {}).get(key, 0) - int(value)
    return left


def fits(need: Mapping[str, str], room: Room) -> bool:
    return all(int(value) <= room.get(key, 0) for key, value in need.items())


def plan(guest: str, to: str | None, live: Configuration, status: ClusterStatus, seen: Seen = _NOTHING_SEEN) -> Move:
    """The move of a guest to ``to``, or to the best of the other nodes.

    Raises Refused, and UnderWay for a guest that is between two nodes.
    """
    if (why := immobile(guest, live, status)) and blocking(why):
        raise Refused(reasons(blocking(why)))
    source = source_of(guest, status)
    if source is None:
        raise UnderWay([guest])
    begun = live.constraints.get(move_id(guest))
    if to is None and isinstance(begun, Location):
        # An earlier run was interrupted: finish what it began.
        to = begun.node
    target = choose(guest, source, live, status, seen) if to is None else to
    primitive = live.primitives[guest]
    if target != source:
        against = _against(guest, target, live, status, seen)
        if against:
            raise Refused(f"{guest} can't go from {source} to {target}: {reasons(against)}")
    wanted = Wanted(constraints=_held(guest, source, target, live), absent=frozenset({drain_id(guest)}))
    # A container on local storage is copied while it runs, but then it stops and starts.
    live_move = primitive.meta.get("allow-migrate") == "true" and primitive.type == "vm"
    return Move(guest, source, target, wanted, live_move, longest(primitive), status.failures_of(guest))


def choose(guest: str, source: str, live: Configuration, status: ClusterStatus, seen: Seen = _NOTHING_SEEN) -> str:
    """The best other node: one the guest wishes for, then the one with the most memory left. Raises Refused."""
    against = {
        node.name: _against(guest, node.name, live, status, seen) for node in status.nodes if node.name != source
    }
    possible = [node for node, why in against.items() if not why]
    if not possible:
        said = "; ".join(f"{node}: {reasons(why)}" for node, why in sorted(against.items()))
        raise Refused(f"{guest} can't leave {source}. {said or 'there is no other node'}")
    left = free(live, status)
    wishes = {
        constraint.node: int(constraint.score)
        for name, constraint in live.constraints.items()
        if isinstance(constraint, Location)
        and constraint.resource == guest
        and name.startswith(f"drover-prefer-{guest}.")
    }
    return min(possible, key=lambda node: (-wishes.get(node, 0), -left.get(node, {}).get("memory", 0), node))


def immobile(guest: str, live: Configuration, status: ClusterStatus) -> list[Finding]:
    """What speaks against moving a guest anywhere, by what the cluster knows."""
    primitive, seen = live.guests().get(guest), status.resource(guest)
    if primitive is None or seen is None:
        known = ", ".join(sorted(live.guests())) or "none"
        return [
            Finding(
                "unknown_guest",
                f"there is no guest {guest} in the cluster; the guests are: {known}",
                "name one of them, or declare it with playbooks/guests.yml",
            )
        ]
    if not seen.active:
        return [
            Finding(
                "guest_not_running",
                f"{guest} is not running",
                "playbooks/guests.yml starts it, playbooks/status.yml says why not",
            )
        ]
    if seen.pending:
        # First: on its way it may be seen on two nodes, and not be managed for a moment.
        place = " and ".join(seen.nodes) or "no node"
        return [Finding("guest_under_way", f"{guest} is {seen.word} on {place}", "wait; a move waits for it by itself")]
    if primitive.meta.get("maintenance") == "true" and RECOVERY not in primitive.meta:
        return [
            Finding(
                "guest_unmanaged",
                f"somebody told the cluster to leave {guest} alone",
                f"when that is over: crm_resource --resource {guest} --meta --delete-parameter maintenance",
            )
        ]
    if seen.node is None or not seen.managed:
        place = f"{guest} is {seen.word} on {', '.join(seen.nodes)}"
        return [Finding("guest_in_trouble", place, "see playbooks/status.yml")]
    return []


def objections(guest: str, target: str, live: Configuration, status: ClusterStatus) -> list[Finding]:
    """What speaks against a guest's move to a node, by what the cluster knows."""
    node = status.node(target)
    if node is None:
        known = ", ".join(sorted(member.name for member in status.nodes))
        return [
            Finding("unknown_node", "there is no such node in the cluster", f"name one of those there are: {known}")
        ]
    if node.word == "maintenance":
        remedy = f"end that with playbooks/maintenance.yml -e node={target} -e state=off, or name another node"
        return [Finding("node_in_maintenance", "it is in maintenance", remedy)]
    if not node.usable:
        return [Finding("node_offline", f"it is {node.word}", "bring it back, or name another node")]
    return [*_room(guest, target, live, status), *_company(guest, target, live, status)]


def source_of(guest: str, status: ClusterStatus) -> str | None:
    """The node that a guest would move from; None for one that is between two nodes just now, or nowhere."""
    seen = status.resource(guest)
    return seen.node if seen is not None else None


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


def under_way(guest: str, cib: str, ahead: Prediction) -> bool:
    """Whether the cluster is at work with a guest, or about to be, by its CIB and what is ahead of that.

    A move that is ordered then would make Pacemaker give up the one under way, and start the guest anew.
    """
    return guest in ahead.busy or guest in pending(cib)


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


def _against(guest: str, target: str, live: Configuration, status: ClusterStatus, seen: Seen) -> list[Finding]:
    return blocking([*objections(guest, target, live, status), *seen.get(target, ())])


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


def _room(guest: str, target: str, live: Configuration, status: ClusterStatus) -> Iterator[Finding]:
    room = free(live, status).get(target, {})
    for key, value in sorted(live.primitives[guest].utilization.items()):
        left = max(0, room.get(key, 0))
        if key in _UNITS and int(value) > left:
            message = f"it has no room: {guest} needs {value}{_UNITS[key]}, and {left} are left"
            yield Finding(f"no_{key}", message, "move another guest off it first, or name another node")


def _company(guest: str, target: str, live: Configuration, status: ClusterStatus) -> Iterator[Finding]:
    """Whether other guests would pull or push it away again as soon as it is there."""
    for constraint in live.constraints.values():
        if not isinstance(constraint, Colocation) or constraint.resource != guest:
            continue
        other = status.resource(constraint.with_resource)
        if other is None or other.node is None:
            continue
        if constraint.score.startswith("-") and other.node == target:
            message = f"{other.name} runs there, and {guest} is to be apart from it; it would not stay"
            yield Finding("apart", message, f"name another node, or move {other.name} first")
        if not constraint.score.startswith("-") and other.node != target:
            message = f"{guest} is to be together with {other.name}, which runs on {other.node}; it would not stay"
            yield Finding("together", message, f"name {other.node}, or move {other.name} first")


def _seconds(text: str) -> float:
    return float(text.removesuffix("s") or 0)
