# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new guest, judged and foretold, and not made: its disks are made by guests.yml.

It is judged among the guests that the cluster knows by what judges guests.yml, against what a declaration may name
(declaration/offers.py), and the scheduler is asked where it would run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster.cib import Configuration, read
from ..cluster.guests import GuestSpec, guest_of
from ..cluster.pacemaker import Pacemaker
from ..cluster.reconciliation import reconcile
from ..cluster.status import ClusterStatus
from ..core.parse import Problem, Unfit
from ..core.quantities import MIB, rough_size
from ..core.quoting import step
from ..declaration import offers
from ..declaration.declaration import Declaration
from ..declaration.definitions import definition
from ..declaration.known_guests import KnownGuests, identity
from ..declaration.reconstruction import declared
from ..guest.definition import Definition
from ..preflight.cluster_checks import ClusterChecks
from ..preflight.reasons import reasons
from .declare import Declare
from .edit import neighbours, rooms, spec_of, wishes_of

__all__ = ["Judged", "foretell", "judge"]

_TIMEOUT, _MONITOR_INTERVAL = 300, 10


@dataclass(frozen=True)
class Judged:
    """A new guest that nothing speaks against: ``spec`` for the cluster, and what is worth knowing of it."""

    spec: GuestSpec
    warnings: tuple[str, ...]


def foretell(cluster: Pacemaker, guest: str, declaration: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What would come of a new guest. A result as module guests', with the ``rooms``: for each node whether the guest
    could be there, and why. ``told`` is what role console wrote down. Raises Unfit with all that is wrong, and
    DroverError for what is refused."""
    cib = cluster.query()
    judged = judge(read(cib), guest, declaration, told)
    run = Declare(cluster, [judged.spec], restart_needed=frozenset(), may_restart=False, removed={}, timeout=_TIMEOUT)
    result = run.run(True)
    after = read(reconcile(cib, run.wanted(cib)).xml)
    found = list(_rooms(guest, after, run.status))
    notes = [*judged.warnings, *result["doubts"], *_short(guest, after, run.status, found)]
    return {**result, "rooms": found, "notes": notes}


def judge(live: Configuration, guest: str, declaration: Mapping[str, Any], told: Mapping[str, Any]) -> Judged:
    """A new guest as it would be. Raises Unfit with all that is wrong."""
    around = offers.surroundings(told, rooms(live))
    others = {name: declared(*its) for name, its in neighbours(live).items()}
    before = Declaration.read(others, around)
    after = Declaration.read({**others, guest: declaration}, around)
    wrong = [*_taken(live, guest, declaration)]
    wrong += [problem for problem in after.reading.problems if problem not in before.reading.problems]
    if wrong:
        raise Unfit(wrong)
    new = after.reading.guests[guest]
    kernels = {new.image: {"name": new.image}} if new.image else {}
    wishes = {"state": new.state, "monitor_interval": _MONITOR_INTERVAL, **wishes_of(new)}
    its = definition(new, after.pools, kernels)
    if shared := list(_shared(live, its, others)):
        raise Unfit(shared)
    warnings = tuple(one for one in after.reading.warnings if one not in before.reading.warnings)
    return Judged(spec_of(its, wishes), warnings)


def _shared(live: Configuration, its: Definition, judged: Collection[str]) -> Iterator[Problem]:
    """What a guest has in common with those of which too little is known to be judged with it."""
    known = {name: identity(guest_of(live.primitives[name]) or {}) for name in live.guests() if name not in judged}
    yield from KnownGuests(known).refusals({its["name"]: its})


def _taken(live: Configuration, guest: str, declaration: Mapping[str, Any]) -> Iterator[Problem]:
    """What the judge of a whole declaration does not say, for there it is right."""
    path = f"guests.{step(guest)}"
    if guest in live.primitives:
        what = "a guest that there is: change that" if guest in live.guests() else "something that the cluster has"
        yield Problem(path, f"is the name of {what}, or take another name")
    if declaration.get("state") == "absent":
        yield Problem(f"{path}.state", "a new guest is present or stopped")


def _rooms(guest: str, after: Configuration, status: ClusterStatus) -> Iterator[dict[str, Any]]:
    checks = ClusterChecks(after, status)
    for node in status.nodes:
        why = checks.objections(guest, node.name)
        yield {"node": node.name, "ok": not why, "why": reasons(why) if why else "it has room"}


def _short(guest: str, after: Configuration, status: ClusterStatus, found: list[dict[str, Any]]) -> Iterator[str]:
    """Where most is left, if nowhere is enough."""
    checks = ClusterChecks(after, status)
    left = {node.name: checks.memory_left(node.name) for node in status.nodes if node.usable}
    needed = int(after.primitives[guest].utilization.get("memory", "0"))
    if left and needed > max(left.values()) and not any(one["ok"] for one in found):
        best = max(left, key=lambda name: left[name])
        yield (
            f"{guest} takes {rough_size(needed * MIB)} of memory; most is left on {best}, "
            f"{rough_size(max(0, left[best]) * MIB)}: with that it would fit there"
        )
