# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The declaration of guests, carried out: the cluster is told what is wanted of them, and what came of it is reported.
What is wanted is in cluster/guests.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..cluster import guest_health, unconfirmed
from ..cluster.cib import Configuration, read
from ..cluster.failed_migration import Recovery
from ..cluster.guests import GuestSpec, GuestsPlan, guest_of, plan_guests
from ..cluster.objects import Wanted
from ..cluster.pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from ..cluster.paused import refuse
from ..cluster.prediction import Prediction
from ..cluster.status import ClusterStatus
from ..core.choice import chosen
from ..core.wait import or_last
from ..guest.definition import Definition, alike
from ..planning import move
from ..reporting.reasons import explained

__all__ = ["Declare"]


class Declare:
    """One run.

    ``restart_needed`` are guests with changes that only a restart makes, ``differing`` all that are not what is
    declared, ``may_restart`` those that may be restarted for that (True: all). ``removed`` tells of each absent guest
    whether its disks go as well. ``timeout`` is in seconds. Raises ClusterError for a cluster that cannot be changed.
    """

    def __init__(
        self,
        cluster: Pacemaker,
        specs: Sequence[GuestSpec],
        *,
        restart_needed: frozenset[str],
        may_restart: frozenset[str] | bool,
        differing: frozenset[str] = frozenset(),
        removed: Mapping[str, bool],
        timeout: float,
    ) -> None:
        self.cluster, self.specs, self.removed, self.timeout = cluster, specs, removed, timeout
        self.restart_needed, self.differing, self.may_restart = restart_needed, differing, may_restart
        self.present = [spec.name for spec in specs if not spec.absent]
        self.running = [spec.name for spec in specs if not spec.absent and not spec.stopped]
        self.stopped = frozenset(spec.name for spec in specs if spec.stopped)
        self.status = cluster.status()
        if not self.status.quorum:
            raise ClusterError(
                "the cluster has no quorum: more than half of its nodes must be up before guests can be changed"
            )

    def run(self, check: bool) -> dict[str, Any]:
        """What module guests returns. Raises ClusterError for what is refused, and for guests that are not as wanted
        at the end."""
        before, applied = self.status, self.cluster.apply(self.wanted, check=True, guard=self._guard)
        needing = self._needing(read(applied.difference.live))
        undercounted, wished = self._plan(applied.difference.live).undercounted, read(applied.difference.xml)
        # To try a guest again that waits for its node would only fail again.
        held = guest_health.held_back(self.running, wished, self.status)
        repairs = guest_health.repairs([name for name in self.running if name not in held], self.status)
        changed = applied.difference.changed or bool(repairs)
        if changed and not check:
            applied = self._carry_out(applied, repairs)
        seen = self.cluster.look() if check else self._settled()
        difference, prediction = applied.difference, applied.prediction
        redefined = {
            change.id for change in difference.changes if _definition(change.before) != _definition(change.after)
        }
        return {
            "changed": changed,
            "diff": difference.diff(),
            "objects": difference.names(),
            "actions": [action.as_dict() for action in prediction.actions],
            "plan": self._sentences(applied, repairs, before),
            "kept": list(difference.kept),
            "absent": sorted(self.removed),
            "guests": {
                name: self._report(name, seen, prediction, needing) | {"redefined": name in redefined}
                for name in self.present
            },
            "doubts": [*self._doubts(seen, applied, foretold=check), *map(_undercounted, undercounted)],
        }

    def _plan(self, cib: str) -> GuestsPlan:
        return plan_guests(
            self.specs,
            read(cib),
            self.status,
            restart_needed=self._needing(read(cib)),
            may_restart=self.may_restart,
        )

    def _needing(self, live: Configuration) -> frozenset[str]:
        """The guests that only a restart makes what is declared. One that differs though the cluster has told it all
        has not gone along with a change that could have been made live."""
        told = {spec.name: guest_of(live.primitives[spec.name]) for spec in self.specs if spec.name in live.primitives}
        stuck = {
            spec.name
            for spec in self.specs
            if spec.name in self.differing and spec.definition and _same(told.get(spec.name), spec.definition)
        }
        return self.restart_needed | stuck

    def wanted(self, cib: str) -> Wanted:
        """What is wanted of the cluster as it is."""
        return self._plan(cib).wanted

    def _guard(self, applied: Applied[Wanted]) -> None:
        refuse(read(applied.difference.live).properties)
        unasked = guest_health.unasked(
            applied.prediction,
            self.status,
            may_stop=self.stopped.union(self.removed),
            may_restart=self.may_restart,
        )
        if unasked:
            raise ClusterError(
                "refused, for it would take running guests down that nobody asked to: " + "; ".join(unasked)
            )

    def _carry_out(self, applied: Applied[Wanted], repairs: Mapping[str, guest_health.Repair]) -> Applied[Wanted]:
        """Change the cluster, and help guests that failed. Returns what was told to it in the end."""
        self._remove(applied.difference.live)
        # The cluster does not restart what it keeps its hands off.
        first = [name for name, way in repairs.items() if way == "recover" and self._to_restart(name)]
        for name in first:
            self._recover(name)
        if first:
            self.status = self.cluster.status()
        done = self.cluster.apply(self.wanted, check=False, guard=self._guard)
        for name, way in repairs.items():
            if way == "retry":
                self.cluster.retry(name)
            elif name not in first:
                self._recover(name)
        return done if first else applied

    def _to_restart(self, name: str) -> bool:
        return name in self.restart_needed | self.differing and chosen(name, self.may_restart)

    def _remove(self, cib: str) -> None:
        """Stop the guests that are to go. Their resources may only go once they are down everywhere."""
        plan = self._plan(cib)
        if not plan.stopping:
            return
        unmanaged = [name for name in plan.stopping if (seen := self.status.resource(name)) and not seen.managed]
        if unmanaged:
            raise ClusterError(
                f"the cluster was told to leave {', '.join(unmanaged)} alone (maintenance or a failure), so it "
                "will not stop it: end that first, see playbooks/status.yml"
            )
        self.cluster.apply(lambda cib: self._plan(cib).first, check=False, guard=self._guard)

        what = f"the stop of {', '.join(plan.stopping)}"
        down = partial(_are_down, plan.stopping, what)
        self.status = self.cluster.wait(down, what=what, timeout=self.timeout)

    def _settled(self) -> Snapshot:
        """Wait until nothing is left to be done for the guests. Raises ClusterError for those not as wanted."""
        what = "the start of the guests"
        seen = or_last(partial(self.cluster.settle, self.present, what=what, timeout=self.timeout))
        seen = replace(seen, status=explained(seen.status))
        down = guest_health.troubles(self.running, read(seen.cib), seen)
        up = guest_health.still_up(self.stopped, seen)
        said = [f"not all guests {what}. {_told(why)}" for what, why in (("run", down), ("are stopped", up)) if why]
        if said:
            raise ClusterError(" ".join(said))
        return seen

    def _doubts(self, seen: Snapshot, applied: Applied[Wanted], *, foretold: bool) -> list[str]:
        """What the user should know of guests that don't run, or would not."""
        live = read(applied.difference.xml if foretold else seen.cib)
        held = guest_health.held_back(self.running, live, seen.status)
        doubts = [f"{name} does not run: {why}" for name, why in held.items()]
        doubts += [f"{name} is {seen.status.notes[name]}" for name in self.present if name in seen.status.notes]
        if foretold and applied.difference.changed:
            place = applied.prediction.place
            nowhere = [name for name in self.running if name not in held and place(name) is None]
            doubts += [f"{name} would run nowhere: no node that is up has room for it" for name in nowhere]
        return doubts

    def _recover(self, name: str) -> None:
        """Put a guest in order whose move failed, and forget the move."""
        Recovery(self.cluster, name, also=lambda _cib: move.finished(name)).run()

    def _sentences(
        self, applied: Applied[Wanted], repairs: Mapping[str, guest_health.Repair], before: ClusterStatus
    ) -> list[str]:
        """What the cluster does, for people: an action a line, in the words of who asked for it. ``before`` is the
        status at the beginning of the run."""
        gone = {change.id for change in applied.difference.changes if change.action == "remove"}
        removed = [self._farewell(name, before) for name in self.removed if name in gone]
        lines = []
        for action in applied.prediction.because("declared to be stopped", self.stopped).actions:
            if action.kind != "stop" or action.name not in self.removed:
                lines.append(str(action))
        helped = [
            f"{name}: {guest_health.repair(way, name, before, applied.prediction)}" for name, way in repairs.items()
        ]
        return removed + lines + helped

    def _farewell(self, name: str, before: ClusterStatus) -> str:
        guest = before.resource(name)
        where = f"stopped on {', '.join(guest.nodes)} and " if guest is not None and guest.active else ""
        return f"{name}: {where}removed, {'and its disks with it' if self.removed[name] else 'its disks stay'}"

    def _report(self, name: str, seen: Snapshot, prediction: Prediction, needing: frozenset[str]) -> dict[str, Any]:
        guest = seen.status.resource(name)
        return {
            "node": guest.node if guest else None,
            "state": guest.word if guest else "absent",
            "actions": [action.as_dict() for action in prediction.of(name)],
            # By what comes of it, not by what is permitted.
            "pending_restart": name in needing and not prediction.restarts(name),
        }


def _are_down(names: Sequence[str], what: str, status: ClusterStatus) -> bool:
    """Whether these guests are stopped. Raises UnconfirmedError when one is on a node that nobody knows to be off."""
    left = [guest.name for guest in map(status.resource, names) if guest and not guest.down]
    unconfirmed.refuse(status, what, left)
    return not left


def _definition(view: Mapping[str, Any] | None) -> object:
    """The definition in what a change shows of an object; None where there is none."""
    return ((view or {}).get("params") or {}).get("definition")


def _same(one: Definition | None, other: Definition) -> bool:
    return one is not None and (one == other or alike(one, other))


def _undercounted(name: str) -> str:
    return (
        f"{name} may come to use its max_memory, for which its node has no room: it is counted with less until it "
        "moves or the node has room"
    )


def _told(reasons: Mapping[str, str]) -> str:
    return " ".join(f"{name}: {why}." for name, why in reasons.items())
