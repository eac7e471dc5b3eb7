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

from ..cluster.cib import Configuration
from ..cluster.guests import drain_id, home_id, pin_id
from ..cluster.objects import PREFIX, Constraint, Location, NodeSettings, Pin, Wanted
from ..cluster.pacemaker import Snapshot
from ..cluster.prediction import Prediction
from ..cluster.status import ClusterStatus, FailedAction
from ..core.errors import InvalidValue
from ..preflight.cluster_checks import COMPANY, ClusterChecks
from ..preflight.reasons import CODES, Seen, blocking, reasons
from .targets import assign

__all__ = [
    "Drain",
    "Return",
    "emptied",
    "leave",
    "left_behind",
    "on_node",
    "refusals",
    "returning",
    "stayed_away",
]

#: More than any wish, so that the plan is what happens; less than what keeps a guest from a node for good.
_PLANNED = "100000"


@dataclass(frozen=True)
class Drain:
    """A node to be emptied: ``guests`` are those that have to leave it, each for its target, and ``blocked`` says of
    each that has none what speaks against it."""

    node: str
    guests: tuple[str, ...]
    wanted: Wanted
    targets: Mapping[str, str]
    blocked: Mapping[str, str]


@dataclass(frozen=True)
class Return:
    """A node to be taken back into service: ``guests`` come home by ``wanted``; ``cleared`` is told afterwards."""

    node: str
    guests: tuple[str, ...]
    wanted: Wanted
    cleared: Wanted


def on_node(node: str, live: Configuration, status: ClusterStatus) -> tuple[str, ...]:
    """The guests that are on a node, also those on their way to it or from it."""
    here = {resource.name for resource in status.resources if node in resource.nodes}
    return tuple(name for name in sorted(live.guests()) if name in here)


def leave(
    node: str,
    live: Configuration,
    status: ClusterStatus,
    seen: Mapping[str, Seen] | None = None,
    *,
    force: bool = False,
) -> Drain:
    """Empty a node: each guest goes where the placement policy has it (see targets.py).

    ``seen`` is what the nodes have against it, by guest. With ``force`` that stands in no guest's way; a guest for
    which no node has room has no target all the same. Raises InvalidValue for a node there is not.
    """
    _known(node, status)
    guests = on_node(node, live, status)
    checks = ClusterChecks(live, status)
    blocked = {name: reasons(why) for name in guests if (why := blocking(checks.immobile(name)))}
    # A node can be emptied although guests that are to be apart come together by it.
    choices = assign(
        [name for name in guests if name not in blocked], node, checks, seen or {}, set(CODES) if force else COMPANY
    )
    targets = {name: choice.target for name, choice in choices.items() if choice.target is not None}
    blocked |= {name: choice.why_not() for name, choice in choices.items() if choice.target is None}
    constraints: list[Constraint] = []
    for name in guests:
        home = live.constraints.get(home_id(name))
        # A guest that is away from home already keeps the home it has.
        if not (isinstance(home, Location) and home.node in live.standby() and home.node != node):
            constraints.append(Location(home_id(name), name, node, "INFINITY"))
        if name in targets:
            pinned = isinstance(live.constraints.get(pin_id(name)), Pin)
            planned = Location(drain_id(name), name, targets[name], _PLANNED)
            constraints.append(Pin(pin_id(name), name, targets[name]) if pinned else planned)
    wanted = Wanted(constraints=tuple(constraints), nodes=(NodeSettings(node, {"standby": "on"}),))
    return Drain(node, guests, wanted, targets, blocked)


def refusals(drain: Drain, prediction: Prediction, now: Snapshot, against: Mapping[str, Seen]) -> list[str]:
    """What speaks against a drain: guests that cannot leave, and whatever the cluster would do that nobody asked for.

    ``now`` is the cluster before it, ``against`` what the nodes have against moves, by guest.
    """
    found = [f"{name} can't leave: {why}" for name, why in drain.blocked.items()]
    stopped = {action.name for action in prediction.actions if action.kind == "stop"}
    for name in drain.guests:
        place, planned = prediction.place(name), drain.targets.get(name)
        if place == drain.node and name not in drain.blocked:
            found.append(f"{name} would not leave (unmanaged, or failed)")
        elif (place is None or name in stopped) and name not in drain.blocked:
            found.append(f"{name} would be stopped")
        elif planned and place not in {planned, drain.node, None}:
            why = blocking(against.get(name, {}).get(str(place), ()))
            found += [f"the cluster would take {name} to {place}: {reasons(why)}"] if why else []
    others = {r.name for r in now.status.resources if r.active and not r.name.startswith(PREFIX)}
    harm = prediction.disturbs(others.difference(drain.guests), now.ahead)
    return found + [f"the cluster would also act thus: {action}" for action in harm]


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
        raise InvalidValue(f"there is no node {node} in the cluster; its nodes are: {known}")


def _said(failures: tuple[FailedAction, ...]) -> str:
    return "; ".join(str(failure) for failure in failures)
