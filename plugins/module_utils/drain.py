# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "maintenance", planned: how a node is emptied and how its guests come back.

Emptying is one patch: the node's standby, a home for each guest that leaves (the constraint is not honoured
while the node is in standby, and brings the guest back when it no longer is) and a planned target for each.
Pacemaker carries it out on its own, also when whoever asked for it is gone; a second run picks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .cib import Configuration
from .cib_objects import PREFIX, Constraint, Location, NodeSettings, Pin, Wanted
from .cluster_status import ClusterStatus, FailedAction
from .move import fits, free
from .pacemaker import Snapshot
from .resources import drain_id, home_id, pin_id
from .simulate import Prediction

__all__ = [
    "Drain",
    "Return",
    "emptied",
    "leave",
    "left_behind",
    "refusals",
    "returning",
    "stayed_away",
    "targets",
]

#: More than any wish, so that the plan is what happens; less than what keeps a guest from a node for good.
_PLANNED = "100000"


@dataclass(frozen=True)
class Drain:
    """A node to be emptied: ``guests`` are those that have to leave it."""

    node: str
    guests: tuple[str, ...]
    wanted: Wanted


@dataclass(frozen=True)
class Return:
    """A node to be taken back into service: ``guests`` come home by ``wanted``; ``cleared`` is told afterwards."""

    node: str
    guests: tuple[str, ...]
    wanted: Wanted
    cleared: Wanted


def leave(
    node: str, live: Configuration, status: ClusterStatus, planned: Mapping[str, str | None] | None = None
) -> Drain:
    """Empty a node. ``planned`` says where each guest is to go; without it Pacemaker chooses, save for guests
    without high availability, which have to be told."""
    _known(node, status)
    guests = sorted(name for name in live.guests() if node in _places(name, status))
    constraints: list[Constraint] = []
    plan = dict(planned or {})
    pinned = [name for name in guests if isinstance(live.constraints.get(pin_id(name)), Pin)]
    plan = {**targets(node, pinned, live, status), **plan}
    for name in guests:
        home = live.constraints.get(home_id(name))
        # A guest that is away from home already keeps the home it has.
        if not (isinstance(home, Location) and home.node in live.standby() and home.node != node):
            constraints.append(Location(home_id(name), name, node, "INFINITY"))
        target = plan.get(name)
        if target is None or target == node:
            continue
        if name in pinned:
            constraints.append(Pin(pin_id(name), name, target))
        else:
            constraints.append(Location(drain_id(name), name, target, _PLANNED))
    wanted = Wanted(constraints=tuple(constraints), nodes=(NodeSettings(node, {"standby": "on"}),))
    return Drain(node, tuple(guests), wanted)


def targets(node: str, guests: list[str], live: Configuration, status: ClusterStatus) -> dict[str, str | None]:
    """A place for each guest that leaves a node: the largest first, each where the most memory is left.

    None for those that fit nowhere.
    """
    left = free(live, status)
    usable = [member.name for member in status.nodes if member.usable and member.name != node]
    primitives = live.guests()
    plan: dict[str, str | None] = {}
    for name in sorted(guests, key=lambda n: (-int(primitives[n].utilization.get("memory", "0")), n)):
        need = primitives[name].utilization
        roomy = [other for other in usable if fits(need, left.get(other, {}))]
        plan[name] = min(roomy, key=lambda other: (-left[other].get("memory", 0), other)) if roomy else None
        for key, value in need.items():
            if (place := plan[name]) is not None:
                left[place][key] -= int(value)
    return plan


def refusals(drain: Drain, prediction: Prediction, status: ClusterStatus) -> list[str]:
    """What speaks against a drain: running guests that it would stop, or leave where they are."""
    running = {r.name for r in status.resources if r.active and not r.name.startswith(PREFIX)}
    reasons = [f"{action.name} would be stopped" for action in prediction.refusals(running)]
    stay = [name for name in drain.guests if prediction.place(name) == drain.node]
    return reasons + [f"{name} would not leave (unmanaged, or failed)" for name in stay]


def left_behind(drain: Drain, seen: Snapshot) -> dict[str, str]:
    """The guests still on the node, each with its state or the failure that holds it."""
    remaining: dict[str, str] = {}
    for name in drain.guests:
        guest = seen.status.resource(name)
        if guest is not None and drain.node in guest.nodes:
            remaining[name] = _said(seen.status.failures_of(name)) or guest.word
    return remaining


def emptied(node: str, live: Configuration) -> Wanted:
    """What remains to be told when a node is empty: its guests may be moved on from where they went."""
    return Wanted(absent=frozenset(drain_id(name) for name in _away(node, live)))


def returning(node: str, live: Configuration, status: ClusterStatus) -> Return:
    """Take a node back into service and its guests back home."""
    _known(node, status)
    guests = _away(node, live)
    pinned = [name for name in guests if isinstance(live.constraints.get(pin_id(name)), Pin)]
    constraints = [Pin(pin_id(name), name, node) for name in pinned]
    drains = frozenset(drain_id(name) for name in guests)
    wanted = Wanted(constraints=tuple(constraints), nodes=(NodeSettings(node, {"standby": None}),), absent=drains)
    cleared = Wanted(absent=drains | {home_id(name) for name in guests})
    return Return(node, tuple(guests), wanted, cleared)


def stayed_away(back: Return, seen: Snapshot) -> dict[str, str]:
    """The guests that have not come home, each with where it is and why."""
    away: dict[str, str] = {}
    for name in back.guests:
        guest = seen.status.resource(name)
        if guest is None or (guest.running and guest.node == back.node):
            continue
        place = f" on {', '.join(guest.nodes)}" if guest.nodes else ""
        away[name] = _said(seen.status.failures_of(name)) or f"it is {guest.word}{place}"
    return away


def _away(node: str, live: Configuration) -> list[str]:
    """The guests whose home is this node."""
    homes = ((name, live.constraints.get(home_id(name))) for name in sorted(live.guests()))
    return [name for name, home in homes if isinstance(home, Location) and home.node == node]


def _known(node: str, status: ClusterStatus) -> None:
    if status.node(node) is None:
        known = ", ".join(sorted(member.name for member in status.nodes))
        raise ValueError(f"there is no node {node} in the cluster; its nodes are: {known}")


def _places(guest: str, status: ClusterStatus) -> tuple[str, ...]:
    seen = status.resource(guest)
    return () if seen is None else seen.nodes


def _said(failures: tuple[FailedAction, ...]) -> str:
    return "; ".join(str(failure) for failure in failures)
