# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "migrate", carried out: one guest is moved on request, from the first look at the cluster to the last word
on how it went. Planned once: the plan that is told is the plan that goes to the cluster. What is planned is in
planning/move.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from ..cluster.cib import read
from ..cluster.failed_migration import Recovery
from ..cluster.guest_health import repair, repairs
from ..cluster.guests import addresses_of
from ..cluster.objects import PREFIX, Wanted
from ..cluster.pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from ..core.wait import WaitTimeout
from ..journal import book
from ..measure import probe
from ..planning import move
from ..planning.move import Move, Refused, UnderWay
from ..planning.outlook import Outlook, look_ahead
from ..preflight.cluster_checks import COMPANY, ClusterChecks
from ..reporting.job_log import JobLog

__all__ = ["Escort", "Migration", "Observer"]

#: Seconds for waiting until nobody else moves the guest: at least these, and as many as its own move may take.
_OTHERS = 600.0
#: Seconds until a cluster is expected to be quiet that was put in order.
_ORDER = 60.0


class Observer:
    """What is seen of one move while it is made: its record in the journal and, if asked for, a node's probe."""

    def __init__(self, guest: str, target: probe.Target | None = None, node: str | None = None) -> None:
        self.guest = guest
        self._target, self._node = target, node
        self._since: book.Since | None = None
        self._probe: probe.RemoteProbe | None = None
        self._record: dict[str, Any] = {}

    def begin(self, addresses: list[str]) -> None:
        """The move is about to be made. Raises Refused when the probe gets no answer."""
        if self._target is not None and self._node is not None:
            try:
                self._probe = probe.RemoteProbe(self._node, self._target.at(addresses))
                self._probe.start()
            except probe.ProbeError as error:
                raise Refused(f"{error}, so nothing was moved") from error
        self._since = book.Since()

    def forget(self) -> None:
        """The move is not made yet: what was seen since the beginning is somebody else's."""
        if self._probe is not None:
            with suppress(probe.ProbeError):
                self._probe.stop()
        self._probe = self._since = None

    def record(self) -> dict[str, Any]:
        """The move's record, or nothing as long as there is none. It is looked for until it is found."""
        if self._since is not None and not self._record:
            self._record = (self._since.entries([self.guest]) or [{}])[-1]
        return self._record

    def end(self, sleep: Callable[[float], None]) -> dict[str, Any]:
        """All of it, as part of the module's result."""
        reading = None
        if self._probe is not None:
            sleep(probe.AFTERWARDS)
            with suppress(probe.ProbeError):  # the node that probed may have been lost
                reading = self._probe.stop()
        record = self.record()
        return {
            "journal": record or None,
            **{key: record.get(key) for key in ("downtime_ms", "rounds", "bytes", "path")},
            **probe.told(reading, self._node or ""),
        }


class Escort:
    """Accompanies a move that the cluster has been told to make, to its end, and leaves the cluster in order."""

    def __init__(self, cluster: Pacemaker, plan: Move, observer: Observer) -> None:
        self.cluster, self.plan, self.observer = cluster, plan, observer

    def run(self, timeout: float) -> str:
        """Returns what there is to warn of although the guest is where it was to go. Raises ClusterError when it is
        not, WaitTimeout when nobody knows yet."""
        plan, guest = self.plan, self.plan.guest
        seen = self.cluster.settle(
            [guest],
            what=f"the arrival of {guest} on {plan.target}",
            timeout=timeout,
            after=1.0,
            done=lambda now: move.outcome(plan, now) != "under way",
        )
        # The journal has the agent's own words, of which Pacemaker keeps none for a migration.
        causes = str(self.observer.record().get("reason") or "") or "; ".join(move.causes(plan, seen.status))
        if move.outcome(plan, seen) != "arrived":
            return self._put_back(seen, causes or f"the cluster left it where it was ({seen})")
        self.cluster.apply(lambda cib: move.arrived(plan, read(cib)), check=False, live=seen.cib, predict=False)
        if move.causes(plan, seen.status):
            self.cluster.retry(guest)
        return f"{guest} is on {plan.target}, but not without trouble: {causes}" if causes else ""

    def _put_back(self, seen: Snapshot, causes: str) -> str:
        """Put the cluster in order after a move that failed. Raises ClusterError, unless the guest is there by now."""
        plan = self.plan
        failed = f"{plan.guest} did not get from {plan.source} to {plan.target}: {causes}"
        guest = seen.status.resource(plan.guest)

        def settled(cib: str) -> Wanted:
            now = self.cluster.status().resource(plan.guest)
            there = now is not None and now.node == plan.target
            return move.arrived(plan, read(cib)) if there else move.undone(plan, read(cib))

        try:
            if guest is not None and guest.failed:
                Recovery(self.cluster, plan.guest, also=settled).run()
            else:
                self.cluster.apply(settled, check=False, predict=False)
                if move.causes(plan, seen.status):
                    self.cluster.retry(plan.guest)
            what = f"order for {plan.guest} after its failed move"
            after = self.cluster.settle([plan.guest], what=what, timeout=_ORDER, after=1.0)
        except (ClusterError, WaitTimeout) as error:
            raise ClusterError(f"{failed}. And it could not be put in order: {error}") from error
        now = after.status.resource(plan.guest)
        if now is not None and now.running and now.node == plan.target:
            return f"{plan.guest} is on {plan.target}, and the cluster was put in order again: {causes}"
        place = f"It is {now.word} on {now.node}" if now is not None and now.node else "It is not running"
        raise ClusterError(
            f"{failed}. {place}, and the cluster is in order. Cure the cause and run this again, or name another node "
            "(-e to=NODE)"
        )


class Migration:
    """One run. ``ignore`` are codes that are not to stand in its way, ``timeout`` the seconds for the move itself."""

    def __init__(
        self,
        cluster: Pacemaker,
        guest: str,
        to: str | None,
        *,
        ignore: Collection[str],
        timeout: float | None,
        check: bool,
        log: JobLog,
        observer: Observer,
    ) -> None:
        self.cluster, self.guest, self.to = cluster, guest, to
        self.ignore, self.timeout, self.check = ignore, timeout, check
        self.log, self.observer = log, observer
        #: What there is to warn of although the guest is where it was to go.
        self.trouble = ""
        self._outlook = Outlook(guest)
        self._going_to: str | None = None
        self._announced: Move | None = None

    def run(self) -> dict[str, Any]:
        """Move the guest. Raises Refused for a move that can't be made, ClusterError for one that failed, WaitTimeout
        for one that takes too long."""
        started = self.cluster.clock()
        while True:
            seen = self._at_rest()
            if not self.check:
                seen = self._in_order(seen)
            elif _out_of_order(seen, self.guest):
                return self._to_be_mended(seen)
            self._outlook = look_ahead(self.guest, self.to, seen)
            try:
                applied = self._order(seen)
                break
            except UnderWay:
                self.observer.forget()
                self._announced = None
                if self.cluster.clock() - started > _OTHERS:
                    again = f"{self.guest} is moved again and again by somebody else; see playbooks/journal.yml"
                    raise Refused(again) from None
        plan = applied.plan
        self._going_to = plan.target if plan.needed else None
        if plan.needed and not self.check:
            timeout = plan.timeout if self.timeout is None else self.timeout
            self.trouble = Escort(self.cluster, plan, self.observer).run(timeout)
        return {
            "changed": applied.difference.changed,
            "diff": applied.difference.diff(),
            "guest": self.guest,
            "from": plan.source,
            "to": plan.target,
            "method": "live" if plan.live else "restart",
            "seconds": round(self.cluster.clock() - started, 1),
            "plan": _sentences(applied),
            "notes": self._outlook.notes(self._going_to),
        }

    def known(self) -> dict[str, Any]:
        """What has become known, also of a move that failed: a part of the result."""
        return {**self._outlook.as_dict(self._going_to), **self.observer.end(self.cluster.sleep)}

    def _to_be_mended(self, seen: Snapshot) -> dict[str, Any]:
        """What check mode says of a guest that is yet to be put in order: nobody knows what it can do then."""
        mended = repair("recover", self.guest, seen.status)
        plan = [f"{self.guest}: {mended}, and then moved if it can be"]
        unknown: dict[str, Any] = {"from": None, "to": self.to, "method": None, "seconds": 0.0}
        return {"changed": True, "diff": [], "guest": self.guest, **unknown, "plan": plan, "notes": []}

    def _at_rest(self) -> Snapshot:
        """Wait for what is under way."""
        seen = self.cluster.look()
        known = read(seen.cib).guests().get(self.guest)
        if known is None or seen.idle([self.guest]):
            return seen
        self.log.say(f"waiting for the end of what is under way for {self.guest}: {seen}")
        patience = max(_OTHERS, move.longest(known))
        return self._settled(f"the end of what is under way for {self.guest}", patience)

    def _in_order(self, seen: Snapshot) -> Snapshot:
        """Put right what an earlier move left behind."""
        if _out_of_order(seen, self.guest):
            self.log.say(f"{self.guest}: {repair('recover', self.guest, seen.status)}")
            Recovery(self.cluster, self.guest, also=lambda _cib: move.finished(self.guest)).run()
        elif any(failure.operation.startswith("migrate") for failure in seen.status.failures_of(self.guest)):
            self.cluster.retry(self.guest)  # it runs all the same
        else:
            return seen
        return self._settled(f"order for {self.guest}", _ORDER)

    def _settled(self, what: str, timeout: float) -> Snapshot:
        return self.cluster.settle([self.guest], what=what, timeout=timeout, after=1.0)

    def _order(self, seen: Snapshot) -> Applied[Move]:
        """Tell the cluster to move a guest that it has nothing else to do with. Raises UnderWay if by now it has."""
        against = self._outlook.found.seen(self.guest)

        def planned(cib: str) -> Move:
            return move.plan(self.guest, self.to, read(cib), seen.status, against, self.ignore)

        def guard(applied: Applied[Move]) -> None:
            now = self.cluster.renew(seen, applied.difference.live)
            if busy := now.busy([self.guest]):
                raise UnderWay(busy)
            self._refuse(applied, now)
            if not self.check:
                self._announce(applied)

        applied = self.cluster.apply(planned, check=self.check, guard=guard, live=seen.cib)
        if not self.check:
            self._announce(applied)
        return applied

    def _refuse(self, applied: Applied[Move], seen: Snapshot) -> None:
        """Raises Refused when the cluster would not do what is planned, or more than that."""
        plan, prediction = applied.plan, applied.prediction
        place = prediction.place(self.guest)
        if plan.needed and place != plan.target:
            raise Refused(
                f"the cluster would not take {self.guest} to {plan.target} but leave it on {place or 'no node'}: a "
                f"failure there is on record (crm_resource --cleanup --resource {self.guest} forgets it), or somebody "
                f"banned it from there (crm_resource --constraints --resource {self.guest} shows that)"
            )
        others = {r.name for r in seen.status.resources if r.active and not r.name.startswith(PREFIX)} - {self.guest}
        if COMPANY.intersection(self.ignore):
            others -= ClusterChecks(read(seen.cib), seen.status).companions(self.guest)
        harm = prediction.disturbs(others, seen.ahead)
        if harm:
            also = f"with {self.guest} on {plan.target} the cluster would also act thus: {'; '.join(map(str, harm))}"
            raise Refused(f"{also}. Name another node, or move the others first")

    def _announce(self, applied: Applied[Move]) -> None:
        """Tell the plan and begin to observe, before it goes to the cluster; again only if it had to be changed."""
        plan = applied.plan
        if self._announced == plan:
            return
        self._going_to = plan.target if plan.needed else None
        if self._announced is None and plan.needed:
            self.observer.begin(addresses_of(read(applied.difference.live).primitives[self.guest]))
        self._announced = plan
        self.log.say(*(f"plan: {line}" for line in _sentences(applied)), *self._outlook.notes(self._going_to))


def _sentences(applied: Applied[Move]) -> list[str]:
    """The plan, as lines for a terminal."""
    plan = applied.plan
    if not plan.needed:
        return [f"{plan.guest} is on {plan.target} already"]
    return applied.prediction.sentences() or [f"{plan.guest} is to go to {plan.target}, as an earlier run has ordered"]


def _out_of_order(seen: Snapshot, guest: str) -> bool:
    """Whether an earlier move has failed, and nobody has seen to that, or not to its end."""
    return guest in read(seen.cib).recovering() or repairs([guest], seen.status).get(guest) == "recover"
