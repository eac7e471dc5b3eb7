# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One drill from a cluster that is well to a cluster that is well: struck, watched, mended, judged.

A drill goes through looking, telling, striking, holding, mending and settling, in this order. What it comes to is told
in any case, also when something was not as it should be; only a refusal leaves everything untouched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..cluster.cib import read
from ..cluster.guests import addresses_of, data_id, guest_of, pin_id
from ..cluster.objects import Primitive
from ..core.command import CommandError
from ..core.errors import DroverError
from ..core.wait import WaitTimeout, wait_for
from ..lab.double_runs import Watcher
from . import timeline
from .catalogue import RECOVERED, Drill, Variant, find, impossible
from .clients import Asker, LedgerClient, Outage, Service, find_service, keeps_ledger, read_ledger
from .ground import Ground, LabGround
from .records import Record, examine
from .rest import cluster, settle, unfit
from .strikes import Scene, confirm, has_ceph, links

__all__ = ["GuestSeen", "Outcome", "Plan", "Refused", "carry_out", "plan"]

Tell = Callable[[str], None]

#: Seconds from a strike until its guests answer again, and until the cluster is at rest.
_RECOVERS_WITHIN, _SETTLES_WITHIN = 120.0, 240.0
#: Seconds that a strike goes on after the guests have recovered: longer than a zombie needs to be seen.
_AND_MORE = 5.0
#: Seconds without an answer that a guest may have that was not struck: its machine is busy with the others.
_HICCUP = 3.0
#: Seconds of answers and of records before a strike, and after it is over.
_BEFORE, _AFTER = 2.0, 2.0


class Refused(DroverError):
    """A drill that was not begun. Nothing was touched."""


@dataclass(frozen=True)
class GuestSeen:
    """A guest as it was before."""

    name: str
    kind: str
    node: str
    address: str
    service: Service | None
    ledger: bool
    #: Whether it runs nowhere else while its node is away: it is bound to the node, or its data lies there.
    waits: bool
    #: A path on the pool where its data is; empty for one without any.
    storage: str = ""


@dataclass(frozen=True)
class Plan:
    """What a drill is about to do."""

    drill: Drill
    variant: Variant
    node: str
    guest: str
    guests: tuple[GuestSeen, ...]

    @property
    def struck(self) -> list[GuestSeen]:
        """The guests that are expected to be away."""
        if self.drill.target == "guest":
            return [guest for guest in self.guests if guest.name == self.guest]
        if not self.variant.loses_node:
            return []
        return [guest for guest in self.guests if self.drill.target == "all" or guest.node == self.node]

    def sentences(self) -> list[str]:
        """What will happen, for whoever has to agree."""
        told = self.variant.told.format(node=self.node, guest=self.guest)
        lines = [f"{told[0].upper()}{told[1:]}."]
        for guest in self.guests:
            where = f"{guest.name} on {guest.node}"
            if guest not in self.struck:
                lines.append(f"{where} is to notice nothing.")
            elif guest.waits and self.drill.target != "guest":
                lines.append(f"{where} is away until its node is back: it runs nowhere else.")
            else:
                lines.append(f"{where} is away until it has been started again.")
            if guest.service is None:
                lines.append(f"Nobody can ask {guest.name}: it answers at none of the usual ports.")
            if not guest.ledger:
                lines.append(f"{guest.name} keeps no ledger, so of writes that it loses nobody is told.")
        return lines


@dataclass
class GuestOutcome:
    """What a drill was to one guest. Times are seconds from the strike."""

    name: str
    node: str
    now: str = ""
    struck: bool = False
    detected: float | None = None
    fenced: float | None = None
    started: float | None = None
    answered: float | None = None
    #: The longest time without an answer, whoever is to blame.
    away: float | None = None
    twice: list[str] = field(default_factory=list)
    acknowledged: int | None = None
    lost: int | None = None
    complaints: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What a drill came to: each guest, and ``wrong``, a sentence for all that was not as it should be."""

    drill: str
    variant: str
    node: str
    guest: str
    when: float
    seconds: float = 0.0
    guests: list[GuestOutcome] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not self.wrong

    @property
    def strayed(self) -> list[GuestOutcome]:
        """The guests that are not where they were."""
        return [guest for guest in self.guests if guest.now and guest.now != guest.node]


def plan(
    ground: Ground,
    name: str,
    variant: str = "",
    *,
    node: str = "",
    guest: str = "",
    ports: Mapping[str, int] | None = None,
) -> Plan:
    """Look, and say what will be done. Raises Refused, with every reason."""
    drill, way = find(name, variant)
    seen = cluster(ground).look()
    live = read(seen.cib)
    # Those that are stopped on purpose have nothing to lose.
    names = [one for one, primitive in live.guests().items() if primitive.meta.get("target-role") != "Stopped"]
    one_of_them = ground.runner(next(iter(ground.nodes)))
    means = ground.means | ({"ceph"} if "ceph" in way.needs and has_ceph(one_of_them) else set())
    reasons = impossible(way, means, len(ground.nodes), links(one_of_them))
    if reasons:
        raise Refused(f"the drill {name} cannot be done here: {'; '.join(reasons)}")
    reasons = unfit(seen, list(ground.nodes), names)
    if reasons:
        raise Refused(
            f"the cluster is not well, so nothing was broken on purpose: {'; '.join(reasons)}",
            remedy="See playbooks/status.yml, and docs/operate.md.",
        )
    where = {one: str(found.node) for one in names if (found := seen.status.resource(one))}
    node, guest = _aim(drill, ground, where, node, guest)
    guests = []
    for one in names:
        address = next(iter(addresses_of(live.primitives[one])), "")
        waits = pin_id(one) in live.constraints or data_id(one) in live.constraints
        service = find_service(address, (ports or {}).get(one)) if address else None
        ledger = bool(address) and keeps_ledger(address)
        kind, storage = live.primitives[one].type, _storage(live.primitives[one])
        guests.append(GuestSeen(one, kind, where[one], address, service, ledger, waits, storage))
    return Plan(drill, way, node, guest, tuple(guests))


def _storage(resource: Primitive) -> str:
    """A path on the pool where a guest has its data."""
    definition = guest_of(resource) or {}
    places = [definition.get("rootfs") or {}, *(disk.get("source") or {} for disk in definition.get("disks") or [])]
    return next((str(place["path"]) for place in places if place.get("path")), "")


def _aim(drill: Drill, ground: Ground, where: Mapping[str, str], node: str, guest: str) -> tuple[str, str]:
    """Which node, and which guest, when nobody has said: the node with most guests. Raises Refused."""
    if node and node not in ground.nodes:
        raise Refused(f"there is no node {node!r}", remedy=f"Choose one of {', '.join(ground.nodes)}.")
    if guest and guest not in where:
        raise Refused(f"there is no guest {guest!r} that runs", remedy=f"Choose one of {', '.join(where)}.")
    if drill.target == "guest":
        here = [one for one, at in where.items() if node in ("", at)]
        if not guest and not here:
            raise Refused(f"no guest runs on {node or 'any node'}")
        guest = guest or here[0]
        return where[guest], guest
    places = list(where.values())
    return node or max(ground.nodes, key=places.count), ""


def carry_out(ground: Ground, todo: Plan, tell: Tell = lambda _: None) -> Outcome:
    """Strike, watch, mend, and judge."""
    begun = time.monotonic()
    outcome = Outcome(todo.drill.name, todo.variant.name, todo.node, todo.guest, 0.0)
    asker = Asker({guest.name: guest.service for guest in todo.guests if guest.service}, briefly=[todo.guest])
    ledgers = {guest.name: LedgerClient(guest.address) for guest in todo.guests if guest.ledger}
    consoles = ground.consoles if isinstance(ground, LabGround) else {}
    watcher = Watcher([guest.name for guest in todo.guests], consoles)
    offsets = {name: _clock(ground, name) for name in ground.nodes}
    for thread in (asker, watcher, *ledgers.values()):
        thread.start()
    try:
        time.sleep(_BEFORE)
        _strike(ground, todo, asker, outcome, tell)
        time.sleep(_AFTER)
    finally:
        outages = asker.stop()
        acknowledged = {name: client.stop() for name, client in ledgers.items()}
        twice = watcher.stop()
    events: list[timeline.Event] = []
    for name, offset in offsets.items():
        events += timeline.read(ground.runner(name), outcome.when, offset)
    now = _now(ground, todo, outcome)
    for guest in todo.guests:
        one = GuestOutcome(
            guest.name, guest.node, now.get(guest.name, ""), guest in todo.struck, twice=twice[guest.name]
        )
        _times(one, todo, outcome.when, sorted(events), outages.get(guest.name, []))
        if guest.ledger:
            _ledger(one, guest, acknowledged[guest.name])
        outcome.guests.append(one)
        _judge(one, guest, outages.get(guest.name, []), outcome, disturbs=todo.variant.disturbs)
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


def _strike(ground: Ground, todo: Plan, asker: Asker, outcome: Outcome, tell: Tell) -> None:
    """From the strike to a cluster at rest."""
    kind = next((guest.kind for guest in todo.guests if guest.name == todo.guest), "")
    storage = next((guest.storage for guest in todo.guests if guest.node == todo.node and guest.storage), "")
    scene = Scene(ground, todo.node, todo.guest, kind, storage)
    tell(todo.sentences()[0])
    outcome.when = time.time()
    try:
        todo.variant.strike(scene)
        _hold(scene, todo, asker, outcome, tell)
    except (DroverError, OSError) as error:
        outcome.wrong.append(str(error))
    finally:
        _mend(scene, todo, outcome, tell)
    try:
        _wait_for_return(asker, outcome, todo.struck)
        tell("every guest answers; the cluster comes to rest")
        settle(ground, [guest.name for guest in todo.guests], _SETTLES_WITHIN, tell)
    except (DroverError, OSError) as error:
        outcome.wrong.append(str(error))


def _now(ground: Ground, todo: Plan, outcome: Outcome) -> dict[str, str]:
    """Where each guest runs. What has failed is noted, and forgotten: nothing had failed before."""
    try:
        seen = cluster(ground)
        status = seen.status()
        for name in sorted({failure.resource for failure in status.failures}):
            seen.retry(name)
    except DroverError as error:
        outcome.wrong.append(str(error))
        return {}
    outcome.notes += [f"on record: {failure}" for failure in status.failures]
    return {one.name: str(at.node) for one in todo.guests if (at := status.resource(one.name)) and at.running}


def _judge(one: GuestOutcome, guest: GuestSeen, outages: Sequence[Outage], outcome: Outcome, *, disturbs: bool) -> None:
    outcome.wrong += [f"{one.name} ran twice: {text}" for text in one.twice]
    outcome.wrong += [f"{one.name}: {text}" for text in one.complaints]
    if not one.now:
        outcome.wrong.append(f"{one.name} does not run")
    elif guest.service and any(outage.end is None for outage in outages):
        outcome.wrong.append(f"{one.name} does not answer at {guest.service.host} port {guest.service.port}")
    if one.away and not one.struck:
        said = f"{one.name} on {one.node}, which was not struck, was away for {one.away:.1f} s"
        held_up = one.away > _HICCUP and not disturbs
        (outcome.wrong if held_up else outcome.notes).append(said)


def _hold(scene: Scene, todo: Plan, asker: Asker, outcome: Outcome, tell: Tell) -> None:
    """For as long as the strike lasts."""
    variant = todo.variant
    if variant.confirmed is not None:
        time.sleep(variant.confirmed)
        early = [guest.name for guest in todo.struck if not guest.waits and _is_back(asker, guest, outcome.when)]
        if early:
            outcome.wrong.append(f"{', '.join(early)} came back though nobody had fenced {todo.node}")
        tell(f"{todo.node} is confirmed to be off")
        confirm(scene)
    if variant.hold != RECOVERED:
        time.sleep(float(variant.hold))
        return
    _wait_for_return(asker, outcome, [guest for guest in todo.struck if not guest.waits])
    time.sleep(_AND_MORE)


def _mend(scene: Scene, todo: Plan, outcome: Outcome, tell: Tell) -> None:
    try:
        todo.variant.mend(scene)
    except (DroverError, OSError) as error:
        # A node that was fenced has forgotten what it was struck with.
        outcome.notes.append(f"what was broken could not be mended: {error}")
        tell(outcome.notes[-1])


def _wait_for_return(asker: Asker, outcome: Outcome, guests: Sequence[GuestSeen]) -> None:
    asked = [guest for guest in guests if guest.service]
    try:
        wait_for(
            lambda: [guest.name for guest in asked if not _is_back(asker, guest, outcome.when)],
            lambda away: not away,
            what="the return of the guests",
            timeout=_RECOVERS_WITHIN,
            interval=0.1,
        )
    except WaitTimeout as error:
        silent = [name for name in error.last if not asker.answers(name)]
        unharmed = [name for name in error.last if name not in silent]
        if silent:
            outcome.wrong.append(f"after {_RECOVERS_WITHIN:.0f} s these did not answer again: {', '.join(silent)}")
        if unharmed:
            outcome.wrong.append(f"these answered all the while, as if not struck: {', '.join(unharmed)}")


def _is_back(asker: Asker, guest: GuestSeen, strike: float) -> bool:
    """Whether a guest has been away since the strike and answers again."""
    return any(outage.end is not None and outage.end > strike for outage in asker.outages(guest.name))


def _times(
    one: GuestOutcome, todo: Plan, strike: float, seen: Sequence[timeline.Event], outages: Sequence[Outage]
) -> None:
    after = [outage for outage in outages if outage.end is None or outage.end > strike]
    ends = [outage.end for outage in after if outage.end is not None]
    if after:
        last = max((outage.end or time.time()) - outage.begin for outage in after)
        one.away = round(last, 2)
    if not one.struck:
        return
    if ends:
        one.answered = round(ends[0] - strike, 2)
    lost = [one.node] if todo.variant.loses_node else []
    moments = timeline.moments(seen, strike, one.name, lost)
    one.detected, one.fenced, one.started = moments.detected, moments.fenced, moments.started


def _ledger(one: GuestOutcome, guest: GuestSeen, acknowledged: Sequence[Record]) -> None:
    try:
        found = examine(acknowledged, read_ledger(guest.address))
    except (OSError, DroverError) as error:
        one.complaints.append(f"its ledger cannot be read: {error}")
        return
    one.acknowledged, one.lost = found.acknowledged, len(found.lost)
    one.complaints += found.complaints


def _clock(ground: Ground, node: str) -> float:
    """Seconds that a node's clock is ahead of this machine's."""
    if isinstance(ground, LabGround):
        return 0.0
    begun = time.time()
    try:
        told = float(ground.runner(node)(["date", "+%s.%N"], timeout=10).stdout)
    except (CommandError, ValueError):
        return 0.0
    return told - (begun + time.time()) / 2
