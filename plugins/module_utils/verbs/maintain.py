# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "maintenance", carried out: a node is emptied, or taken back into service. Planned once: the plan that is
told is the plan that goes to the cluster. What is planned is in planning/drain.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..cluster.cib import Configuration, read
from ..cluster.failed_migration import Recovery
from ..cluster.guest_health import repair, repairs
from ..cluster.objects import Wanted
from ..cluster.pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from ..cluster.paused import refuse
from ..cluster.prediction import Prediction
from ..core.wait import WaitTimeout
from ..journal import book
from ..planning import drain
from ..planning.drain import Drain, Return
from ..planning.move import Refused, UnderWay
from ..planning.outlook import foresee
from ..preflight import checks
from ..preflight.cluster_checks import COMPANY, ClusterChecks
from ..preflight.inquiry import Preflight, preflight
from ..preflight.reasons import Finding
from ..reporting import moves
from ..reporting.job_log import JobLog

__all__ = ["Maintenance"]


_ADVICE = (
    "Cure that, or make room on the other nodes, or take it into account with -e force=true: stopped guests start "
    "again when there is room, at the latest when the maintenance ends"
)


class Maintenance:
    """One run, of ``timeout`` seconds at most. ``advice`` is what to do when the node can't be emptied."""

    advice = _ADVICE

    def __init__(self, cluster: Pacemaker, node: str, *, force: bool, timeout: float, check: bool, log: JobLog) -> None:
        self.cluster, self.node, self.force, self.check, self.log = cluster, node, force, check, log
        self.started = cluster.clock()
        self._until = self.started + timeout
        self._recorded: book.Since | None = None
        self._announced: Drain | Return | None = None

    def on(self) -> dict[str, Any]:
        """Empty the node. Raises Refused when guests could not leave as they should, ClusterError for those that stay,
        ValueError for a node there is not."""
        while True:
            seen = self._at_rest(self._on_node_or_coming)
            live = read(seen.cib)
            guests = drain.on_node(self.node, live, seen.status)
            targets = [node.name for node in seen.status.nodes if node.usable and node.name != self.node]
            # What moves will take is of use to who reads a plan. To measure it takes a second.
            measure = guests if self.check else ()
            found = preflight(guests, targets, ClusterChecks(live, seen.status), measure)
            try:
                applied = self._order_leave(seen, found)
                break
            except UnderWay as other:
                self._give_way(other.guests)
        going = applied.plan
        changed = applied.difference.changed
        if not self.check:
            last = self._settle_moves(
                going.guests, f"{self.node} to be empty (still there: %s)", lambda now: drain.left_behind(going, now)
            )
            if stuck := drain.left_behind(going, last):
                why = _reasons(stuck, self._records(stuck))
                raise ClusterError(
                    f"{self.node} is not empty. These guests keep running there: {why}. Cure the cause and run "
                    "this again, or call the maintenance off (-e state=off)"
                )
            rest = self._tidy(lambda cib: drain.emptied(self.node, read(cib)), last)
            changed = changed or rest
        result = self._result(applied, changed, _notes(going, found), None if self.check else last)
        return {**result, "forecasts": _forecasts(going, live, found)}

    def off(self) -> dict[str, Any]:
        """Take the node back into service. Raises ClusterError for guests that don't come home, ValueError for a node
        there is not."""
        while True:
            seen = self._at_rest(lambda seen: drain.returning(self.node, read(seen.cib), seen.status).guests)
            try:
                applied = self._order_return(seen)
                break
            except UnderWay as other:
                self._give_way(other.guests)
        coming = applied.plan
        host, last = seen.status.node(self.node), None
        # The guests of a node that is away keep their home: they come when it does.
        if not self.check and host is not None and host.online:
            last = self._settle_moves(
                coming.guests, f"the return to {self.node} of %s", lambda now: drain.stayed_away(coming, now)
            )
            self._tidy(lambda _cib: coming.cleared, last)
            if away := drain.stayed_away(coming, last):
                why = _reasons(away, self._records(away))
                raise ClusterError(
                    f"{self.node} is in service again, but not all of its guests came back: {why}. "
                    "Cure the cause and move them one by one: playbooks/migrate.yml"
                )
        return self._result(applied, applied.difference.changed or bool(coming.guests), [], last)

    def _at_rest(self, concerned: Callable[[Snapshot], Collection[str]]) -> Snapshot:
        """Wait for what is under way for the guests concerned, and put those in order whose migration failed in an
        earlier run."""
        seen = self.cluster.look()
        refuse(read(seen.cib).properties)
        if self.check:
            return seen
        names = concerned(seen)
        if not seen.idle(names):
            self.log.say(f"waiting for {_end_of(seen.busy(names), seen)}: {seen}")
            seen = self._settle(names, _end_of)
        ways, unfinished = repairs(sorted(names), seen.status), read(seen.cib).recovering()
        broken = [name for name in sorted(names) if ways.get(name) == "recover" or name in unfinished]
        for name in broken:
            self.log.say(f"{name}: {repair('recover', name, seen.status)}")
            Recovery(self.cluster, name).run()
        return self._settle(names, _end_of) if broken else seen

    def _on_node_or_coming(self, seen: Snapshot) -> set[str]:
        live = read(seen.cib)
        coming = {name for name in live.guests() if seen.ahead.place(name) == self.node}
        return coming.union(drain.on_node(self.node, live, seen.status))

    def _order_leave(self, seen: Snapshot, found: Preflight) -> Applied[Drain]:
        """Tell the cluster to empty the node. Raises UnderWay when by now it is at work with one of the guests."""
        concerned = self._on_node_or_coming(seen)
        against = {name: found.seen(name) for name in concerned}

        def leave(cib: str) -> Drain:
            return drain.leave(self.node, read(cib), seen.status, against, force=self.force)

        def guard(applied: Applied[Drain]) -> None:
            now = self._still_at_rest(seen, applied.difference.live, concerned)
            why = drain.refusals(applied.plan, applied.prediction, now, against)
            if why and not self.force:
                raise Refused(f"{self.node} can't be emptied: {'; '.join(why)}. {self.advice}")
            self._announce(applied, _notes(applied.plan, found))

        applied = self.cluster.apply(leave, check=self.check, guard=guard, live=seen.cib)
        self._announce(applied, _notes(applied.plan, found))
        return applied

    def _order_return(self, seen: Snapshot) -> Applied[Return]:
        """Tell the cluster to take the node back. Raises UnderWay when by now it is at work with one of the guests."""

        def back(cib: str) -> Return:
            return drain.returning(self.node, read(cib), seen.status)

        def guard(applied: Applied[Return]) -> None:
            self._still_at_rest(seen, applied.difference.live, applied.plan.guests)
            self._announce(applied, [])

        applied = self.cluster.apply(back, check=self.check, guard=guard, live=seen.cib)
        self._announce(applied, [])
        return applied

    def _still_at_rest(self, seen: Snapshot, live: str, guests: Collection[str]) -> Snapshot:
        """The look at the cluster, renewed if its CIB has changed since. Raises UnderWay when one of the guests is busy
        by now."""
        now = self.cluster.renew(seen, live)
        if not self.check and (busy := now.busy(guests)):
            raise UnderWay(busy)
        return now

    def _announce(self, applied: Applied[Drain] | Applied[Return], notes: Sequence[str]) -> None:
        """Tell the plan before it goes to the cluster; again only if it had to be changed."""
        if self.check or self._announced == applied.plan:
            return
        if self._recorded is None:
            self._recorded = book.Since()
        self._announced = applied.plan
        self.log.say(*(f"plan: {line}" for line in _sentences(applied.prediction)), *notes)

    def _give_way(self, guests: Collection[str]) -> None:
        """Let somebody else have what was ordered in the meantime, as long as there is time for that."""
        if self.cluster.clock() >= self._until:
            raise ClusterError(
                f"somebody else moves {', '.join(sorted(guests))} again and again, so {self.node} was not touched: see "
                "playbooks/journal.yml, and run this again"
            )
        self.cluster.sleep(1.0)

    def _settle_moves(
        self, guests: Collection[str], what: str, left: Callable[[Snapshot], Collection[str]]
    ) -> Snapshot:
        """Wait for the moves; those that gave way (agents/giving_way.py) are made again. ``left`` are the guests that
        did not get away, for the place in ``what``."""
        taken_up = set[str]()
        while True:
            seen = self._settle(guests, lambda _busy, now: what % ", ".join(left(now)))
            if not (stuck := left(seen)) or not _take_up(self.cluster, self._records(stuck), taken_up, self.log):
                return seen

    def _settle(self, guests: Collection[str], what: Callable[[set[str], Snapshot], str]) -> Snapshot:
        """Wait until the cluster has nothing to do with these guests; ``what`` says in words which of them are busy."""
        left = max(0.0, self._until - self.cluster.clock())
        try:
            return self.cluster.settle(guests, what=f"the maintenance of {self.node}", timeout=left, after=1.0)
        except WaitTimeout as late:
            seen: Snapshot = late.last
            raise ClusterError(
                f"waited {late.waited:.0f} s in vain for {what(seen.busy(guests), seen)}; the cluster goes on by "
                f"itself ({seen}), and running this again goes on waiting"
            ) from late

    def _tidy(self, wanted: Callable[[str], Wanted], last: Snapshot) -> bool:
        """Tell the cluster what remains to be told. Returns whether there was anything."""
        return self.cluster.apply(wanted, check=False, live=last.cib, predict=False).difference.changed

    def _records(self, guests: Collection[str]) -> list[book.Entry]:
        return self._recorded.entries(guests) if self._recorded else []

    def _result(
        self, applied: Applied[Drain] | Applied[Return], changed: bool, notes: list[str], last: Snapshot | None
    ) -> dict[str, Any]:
        """``last`` is what was seen when all was done, None if nobody waited for that."""
        records = self._records(applied.plan.guests)
        return {
            "changed": changed,
            "diff": applied.difference.diff(),
            "moves": records,
            "outcomes": [moves.outcome(moves.of_record(record)) for record in records],
            "node": self.node,
            "guests": list(applied.plan.guests),
            "stopped": [name for name in applied.plan.guests if last is not None and not _runs(name, last)],
            "plan": _sentences(applied.prediction),
            "notes": notes,
            "seconds": round(self.cluster.clock() - self.started, 1),
        }


def _take_up(cluster: Pacemaker, records: Sequence[book.Entry], taken_up: set[str], log: JobLog) -> bool:
    """Put those guests in order again whose move gave way, once for each record. Returns whether there were any."""
    again = [record for record in records if record.get("gave_way") and record["id"] not in taken_up]
    for record in again:
        log.say(f"{record['guest']} moves again: {record['reason']}")
        Recovery(cluster, record["guest"]).run()
        taken_up.add(record["id"])
    return bool(again)


def _reasons(guests: Mapping[str, str], records: Sequence[book.Entry]) -> str:
    """Why each guest is where it is: in the agent's own words, which the journal has, or in the cluster's."""
    failed = {record["guest"]: record.get("reason") for record in records}
    return "; ".join(f"{name} ({failed.get(name) or why})" for name, why in guests.items())


def _runs(name: str, seen: Snapshot) -> bool:
    guest = seen.status.resource(name)
    return guest is not None and guest.active


def _notes(going: Drain, found: Preflight) -> list[str]:
    """What the nodes warn of, as lines for a terminal."""
    findings: list[Finding] = []
    for name, target in sorted(going.targets.items()):
        findings += [finding for finding in found.findings(name, target) if finding.code not in COMPANY]
    return list(dict.fromkeys(checks.told(findings)))


def _forecasts(going: Drain, live: Configuration, found: Preflight) -> dict[str, dict[str, Any]]:
    """What the live migrations of a plan will take, by guest, as far as that was measured."""
    foreseen = {name: foresee(name, going.node, live, found).get(to) for name, to in sorted(going.targets.items())}
    return {name: expected.as_dict() for name, expected in foreseen.items() if expected}


def _sentences(prediction: Prediction) -> list[str]:
    """The plan, as lines for a terminal."""
    return prediction.sentences() or ["nothing has to move"]


def _end_of(busy: Collection[str], _seen: Snapshot) -> str:
    return f"the end of what is under way for {', '.join(sorted(busy)) or 'its guests'}"
