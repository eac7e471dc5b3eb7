# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "migrate", planned: where a guest may go, and what the cluster has to be told for it.

A move is a pair of constraints that last until the guest is there: to the target, else back. A guest without
high availability is bound to its node by a pin; its pin moves, and stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .cib import RECOVERY, Colocation, Configuration, Constraint, Location, Pin, Wanted
from .pacemaker import ClusterStatus, FailedAction, ResourceStatus, Snapshot
from .resources import back_id, drain_id, move_id, pin_id

__all__ = ["Move", "Refused", "capacity", "causes", "choose", "finished", "free", "outcome", "plan", "undone"]


class Refused(Exception):
    """The move can't be made. The message gives the reason and the remedy."""


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


def plan(guest: str, to: str | None, live: Configuration, status: ClusterStatus) -> Move:
    """The move of a guest to ``to``, or to the best of the other nodes. Raises Refused."""
    seen = _running(guest, live, status)
    source = str(seen.node)
    begun = live.constraints.get(move_id(guest))
    if to is None and isinstance(begun, Location):
        # An earlier run was interrupted: finish what it began.
        to = begun.node
    target = choose(guest, source, live, status) if to is None else to
    primitive = live.primitives[guest]
    if target != source:
        why = objection(guest, target, live, status)
        if why:
            raise Refused(f"{guest} can't go to {target}: {why}")
    migrates = primitive.meta.get("allow-migrate") == "true"
    names = {"migrate_to", "migrate_from"} if migrates else {"start", "stop"}
    seconds = sum(_seconds(op.timeout) for op in primitive.operations if op.name in names)
    wanted = Wanted(constraints=_held(guest, source, target, live), absent=frozenset({drain_id(guest)}))
    # A container on local storage is copied while it runs, but then it stops and starts.
    live_move = migrates and primitive.type == "vm"
    return Move(guest, source, target, wanted, live_move, seconds + 30, status.failures_of(guest))


def choose(guest: str, source: str, live: Configuration, status: ClusterStatus) -> str:
    """The best other node: one the guest wishes for, then the one with the most memory left. Raises Refused."""
    objections = {node.name: objection(guest, node.name, live, status) for node in status.nodes if node.name != source}
    possible = [node for node, why in objections.items() if not why]
    if not possible:
        reasons = "; ".join(f"{node}: {why}" for node, why in sorted(objections.items())) or "there is no other node"
        raise Refused(f"{guest} can't leave {source}. {reasons}")
    left = free(live, status)
    wishes = {
        constraint.node: int(constraint.score)
        for name, constraint in live.constraints.items()
        if isinstance(constraint, Location)
        and constraint.resource == guest
        and name.startswith(f"drover-prefer-{guest}.")
    }
    return min(possible, key=lambda node: (-wishes.get(node, 0), -left.get(node, {}).get("memory", 0), node))


def objection(guest: str, target: str, live: Configuration, status: ClusterStatus) -> str:
    """Why a guest can't go to a node, with the remedy; empty if it can."""
    node = status.node(target)
    if node is None:
        known = ", ".join(sorted(member.name for member in status.nodes))
        return f"there is no such node in the cluster (there are {known})"
    if not node.usable:
        if node.word == "maintenance":
            return (
                "it is in maintenance; end that with "
                f"playbooks/maintenance.yml -e node={target} -e state=off, or name another node"
            )
        return f"it is {node.word}; bring it back, or name another node"
    need = live.primitives[guest].utilization
    room = free(live, status).get(target, {})
    if not fits(need, room):
        lacks = ", ".join(
            f"{key}: needs {value}, has {max(0, room.get(key, 0))} left"
            for key, value in sorted(need.items())
            if int(value) > room.get(key, 0)
        )
        return f"it has no room ({lacks}); move another guest off it first, or name another node"
    return _company(guest, target, live, status)


def finished(guest: str) -> Wanted:
    """What remains to be told when a guest has arrived."""
    return Wanted(absent=_temporary(guest) | {drain_id(guest)})


def undone(move: Move, live: Configuration) -> Wanted:
    """What takes a move back that failed."""
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


def _running(guest: str, live: Configuration, status: ClusterStatus) -> ResourceStatus:
    primitive, seen = live.guests().get(guest), status.resource(guest)
    if primitive is None or seen is None:
        known = ", ".join(sorted(live.guests())) or "none"
        raise Refused(f"there is no guest {guest} in the cluster; the guests are: {known}")
    if not seen.active:
        raise Refused(f"{guest} is not running; playbooks/guests.yml starts it, playbooks/status.yml says why not")
    if primitive.meta.get("maintenance") == "true" and RECOVERY not in primitive.meta:
        raise Refused(
            f"somebody told the cluster to leave {guest} alone; when that is over: "
            f"crm_resource --resource {guest} --meta --delete-parameter maintenance"
        )
    if seen.node is None or not seen.managed:
        raise Refused(f"{guest} is {seen.word} on {', '.join(seen.nodes)}; see playbooks/status.yml")
    return seen


def _held(guest: str, source: str, target: str, live: Configuration) -> tuple[Constraint, ...]:
    """The constraints that bring a guest to a node, or back to where it was when that fails."""
    if isinstance(live.constraints.get(pin_id(guest)), Pin):
        return (Pin(pin_id(guest), guest, target),)
    return (
        Location(move_id(guest), guest, target, "INFINITY"),
        Location(back_id(guest), guest, source, "100000"),
    )


def _temporary(guest: str) -> frozenset[str]:
    return frozenset({move_id(guest), back_id(guest)})


def _company(guest: str, target: str, live: Configuration, status: ClusterStatus) -> str:
    """Whether other guests would pull or push it away again as soon as it is there."""
    for constraint in live.constraints.values():
        if not isinstance(constraint, Colocation) or constraint.resource != guest:
            continue
        other = status.resource(constraint.with_resource)
        if other is None or other.node is None:
            continue
        if constraint.score.startswith("-") and other.node == target:
            return f"{other.name} runs there, and {guest} is to be apart from it; it would not stay"
        if not constraint.score.startswith("-") and other.node != target:
            return f"{guest} is to be together with {other.name}, which runs on {other.node}; it would not stay"
    return ""


def _seconds(text: str) -> float:
    return float(text.removesuffix("s") or 0)
