# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that do not run as they should: why, what helps, and what the cluster would do to them unasked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from ..core.choice import chosen
from .cib import Configuration
from .guests import data_id, pin_id
from .objects import Location, Pin
from .pacemaker import Snapshot
from .prediction import Prediction
from .status import ClusterStatus
from .stopped import described, remedy, stopped_by
from .waiting import why_it_waits

__all__ = ["Repair", "held_back", "repair", "repairs", "still_up", "troubles", "unasked"]

Repair = Literal["recover", "retry"]


def repair(way: Repair, name: str, status: ClusterStatus, prediction: Prediction | None = None) -> str:
    """What a repair does to a guest, in words. ``prediction`` is what the cluster does to it in the same breath."""
    if way == "retry":
        return "try again after a failure"
    guest = status.resource(name)
    # A container that failed to move has been stopped on the way, whoever runs it now.
    undisturbed = guest is not None and guest.agent.endswith(":vm") and not (prediction and prediction.restarts(name))
    return "put in order after a failed migration" + (", without a restart" if undisturbed else "")


def repairs(names: Sequence[str], status: ClusterStatus) -> dict[str, Repair]:
    """The guests to be helped, and how: ``recover`` one whose migration failed, which still runs; ``retry``
    one that failed to start or stop."""
    found: dict[str, Repair] = {}
    for name in names:
        guest = status.resource(name)
        failures = status.failures_of(name)
        if guest is None or guest.running or guest.pending or not failures:
            continue
        migration = any(failure.operation.startswith("migrate") for failure in failures)
        found[name] = "recover" if migration and guest.active else "retry"
    return found


def unasked(
    prediction: Prediction, status: ClusterStatus, *, may_stop: frozenset[str], may_restart: frozenset[str] | bool
) -> list[str]:
    """What a change would do to running guests that nobody asked for: stops and restarts, one sentence each."""
    sentences = []
    for action in prediction.actions:
        seen = status.resource(action.name)
        if seen is None or not seen.active or seen.failed:
            continue
        if action.kind == "stop" and action.name not in may_stop:
            sentences.append(f"{action}: no other node could take it")
        if action.kind == "restart" and not chosen(action.name, may_restart):
            # After a repaired migration Pacemaker no longer knows which parameters may change live.
            sentences.append(
                f"{action}: it has not been permitted to restart. Permit it (allow_restart), or, if the change "
                f"could be made live, move the guest first: playbooks/migrate.yml -e guest={action.name}"
            )
    return sentences


def held_back(names: Sequence[str], live: Configuration, status: ClusterStatus) -> dict[str, str]:
    """Why each of these guests rightly does not run: it is to stay down, or the one node it needs is away."""
    found: dict[str, str] = {}
    for name in names:
        guest = status.resource(name)
        if guest is not None and guest.active:
            continue
        why_down = stopped_by(live.primitives[name]) if name in live.primitives else None
        if why_down is not None:
            found[name] = f"it {described(why_down)}; {remedy(name, why_down)}"
            continue
        for kept, why in ((data_id(name), "its data is there"), (pin_id(name), "ha: false")):
            bond = live.constraints.get(kept)
            node = bond.node if isinstance(bond, (Location, Pin)) else None
            host = status.node(node) if node else None
            if node and (host is None or not host.usable):
                word = host.word if host else "not a member"
                found[name] = f"it is bound to {node} ({why}), which is {word}; it starts when that node is back"
    return found


def still_up(names: Collection[str], seen: Snapshot) -> dict[str, str]:
    """Why each of these guests that are to stay down does not, with the remedy."""
    found: dict[str, str] = {}
    for name in names:
        guest = seen.status.resource(name)
        if guest is None or not guest.active:
            continue
        where = ", ".join(guest.nodes)
        causes = "; ".join(dict.fromkeys(str(failure) for failure in seen.status.failures_of(name)))
        if not guest.managed:
            found[name] = f"it is {guest.word} on {where}: the cluster was told to leave it alone, end that first"
        elif causes:
            found[name] = f"{causes}. Cure that and run this again"
        else:
            found[name] = f"it is {guest.word} on {where}; run this again to go on waiting"
    return found


def troubles(names: Sequence[str], live: Configuration, seen: Snapshot) -> dict[str, str]:
    """Why each of these guests that should run does not, with the remedy. Those that run are not in it, nor those
    that are rightly held back."""
    found: dict[str, str] = {}
    rightly = held_back(names, live, seen.status)
    for name in names:
        guest = seen.status.resource(name)
        if (guest is not None and guest.running) or name in rightly:
            continue
        failures = seen.status.failures_of(name)
        if failures:
            causes = "; ".join(dict.fromkeys(str(failure) for failure in failures))
            found[name] = f"{causes}. Cure that and run this again: it tries anew"
        elif guest is None:
            found[name] = "the cluster does not know it; look at playbooks/status.yml"
        elif guest.pending or seen.ahead.of(name):
            found[name] = f"it is still under way ({seen}); run this again to go on waiting"
        elif guest.active:
            found[name] = f"it is {guest.word} on {', '.join(guest.nodes)}"
        else:
            why = why_it_waits(name, live, seen.status) or "the cluster does not say why"
            found[name] = f"no node can take it: {why}. Make the guest smaller, or room for it, and cure what failed"
    return found
