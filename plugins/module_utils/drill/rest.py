# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster at rest: whether it is fit for a drill, and how it comes back from one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from ..cluster.cib import read
from ..cluster.pacemaker import ClusterError, Pacemaker, Snapshot
from ..core.command import CommandError
from ..core.wait import WaitTimeout
from ..reporting.status import overview
from .ground import Ground

__all__ = ["at_rest", "cluster", "settle", "unfit"]

#: Seconds in which a lost node is fenced and switched on again, before somebody comes and presses the button.
_FENCED_WITHIN = 40.0


def cluster(ground: Ground, *, but: Collection[str] = ()) -> Pacemaker:
    """The cluster as a member sees it that is up. Raises CommandError."""
    for name in ground.nodes:
        if name not in but and ground.has_power(name):
            return Pacemaker(ground.runner(name))
    raise CommandError("no node has power")


def at_rest(seen: Snapshot, nodes: Collection[str], guests: Collection[str]) -> bool:
    """Whether every node is a member, no guest waits for something, and nothing is under way, nor about to be."""
    whole = not _away(seen, nodes) and seen.status.quorum and not seen.status.notes
    return whole and seen.idle(list(guests)) and not seen.ahead.sentences()


def _away(seen: Snapshot, nodes: Collection[str]) -> list[str]:
    """The nodes that are no usable members, each with what it is instead."""
    found = {name: seen.status.node(name) for name in nodes}
    return [f"{name} is {at.word if at else 'unknown'}" for name, at in found.items() if not (at and at.usable)]


def unfit(seen: Snapshot, nodes: Collection[str], guests: Collection[str]) -> list[str]:
    """Why nothing should be broken on purpose now, a sentence each; empty when all is well."""
    status = seen.status
    found = list(overview(read(seen.cib), status)["problems"])
    found += [f"{node} is no usable member" for node in nodes if not ((at := status.node(node)) and at.usable)]
    for name in guests:
        guest = status.resource(name)
        if guest is None or not guest.running:
            found.append(f"{name} is {guest.word if guest else 'unknown'}")
    found += [f"on record: {failure}" for failure in status.failures]
    if not found and not at_rest(seen, nodes, guests):
        found.append(f"the cluster is at work: {seen}")
    return list(dict.fromkeys(found))


def settle(ground: Ground, guests: Sequence[str], timeout: float, tell: Callable[[str], None] = lambda _: None) -> None:
    """Wait until every node is back and the cluster is at rest. Raises WaitTimeout."""
    begun = time.monotonic()
    pressed: set[str] = set()
    while True:
        waited = time.monotonic() - begun
        for name in ground.nodes:
            if name not in pressed and waited > _FENCED_WITHIN and not ground.has_power(name):
                # Fencing ends with the power on again; an operator who presses the button as well does no harm.
                tell(f"{name} is still off: switched on by hand")
                ground.press_power(name)
                pressed.add(name)
        try:
            seen = cluster(ground).look()
            if at_rest(seen, list(ground.nodes), guests):
                return
            waiting = [f"{name} is {what}" for name, what in seen.status.notes.items()]
            last = ", ".join([*_away(seen, ground.nodes), *waiting, str(seen)])
        except (CommandError, ClusterError) as error:
            last = str(error)
        if waited > timeout:
            raise WaitTimeout("rest of the cluster", last, timeout)
        time.sleep(0.5)
