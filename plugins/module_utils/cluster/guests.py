# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Drover's guests are in Pacemaker's terms.

Scores. A guest stays where it is (stickiness 1000) rather than follow a wish for a node (100 and less), but
moves for the sake of company or its absence (5000), and nothing of this ever keeps it from running. One whose data
is on local storage starts where that is (20000), and leaves only on request or when it cannot stay.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.choice import chosen
from ..core.errors import InvalidValue
from ..core.quantities import MIB
from ..guest.definition import alike, compact, is_local, promised_memory
from ..guest.migration_policy import Policy
from . import time_limits
from .capacity import free
from .cib import Configuration
from .objects import PREFIX, PROVIDER, Colocation, Constraint, Location, Operation, Pin, Primitive, Wanted
from .recovery import USUAL, Recovery
from .status import ClusterStatus
from .stopped import STARTED, stopped, stopped_by

__all__ = [
    "GuestSpec",
    "GuestsPlan",
    "addresses_of",
    "back_id",
    "data_id",
    "drain_id",
    "guest_of",
    "guest_primitive",
    "home_id",
    "move_id",
    "pin_id",
    "plan_guests",
]


#: Constraints that say what a guest's YAML says; those of a verb under way (move, home, drain) are the verb's.
_DECLARED = ("prefer", "apart", "together", "pin", "data", "remove")


@dataclass(frozen=True)
class GuestSpec:
    """What is wanted of one guest.

    ``definition`` is None for an absent one. ``priority`` is None for a guest without high availability, which
    is pinned to one node. ``prefer`` lists nodes, ``apart_from`` and ``together_with`` other guests. ``home`` is
    where the data of a guest on local storage was made: it holds until the cluster knows where that is. One that is
    ``stopped`` is all that, and does not run. ``recovery`` is how often it is started again when it fails;
    it is looked at every ``monitor_interval`` seconds.
    """

    name: str
    definition: Mapping[str, Any] | None
    priority: int | None = 0
    prefer: tuple[str, ...] = ()
    apart_from: tuple[str, ...] = ()
    together_with: tuple[str, ...] = ()
    home: str | None = None
    stopped: bool = False
    recovery: Recovery = USUAL
    monitor_interval: int = 10

    @property
    def absent(self) -> bool:
        return self.definition is None


@dataclass(frozen=True)
class GuestsPlan:
    """``wanted`` is the whole wish; ``first`` differs from it while guests to be removed still run: they stop
    first. ``pending_restart`` are guests whose change waits for a permitted restart, ``undercounted`` those that are
    counted with less memory than they may use, for want of room on their node."""

    wanted: Wanted
    first: Wanted
    pending_restart: tuple[str, ...]
    stopping: tuple[str, ...]
    undercounted: tuple[str, ...] = ()


def guest_of(resource: Primitive) -> dict[str, Any] | None:
    """The definition that a guest's resource carries, as whichever version of Drover wrote it."""
    try:
        definition = json.loads(resource.params.get("definition", ""))
    except ValueError:
        return None
    return definition if isinstance(definition, dict) else None


def addresses_of(resource: Primitive) -> list[str]:
    """The addresses that a guest's definition declares, without their prefix lengths, the first interface's first."""
    return [
        str(address).partition("/")[0]
        for nic in (guest_of(resource) or {}).get("nics") or []
        for address in nic.get("addresses") or []
    ]


def data_id(guest: str) -> str:
    """The constraint that says which node has the data of a guest on local storage. The agents keep it: a guest
    starts nowhere else, and who takes it over says so here first."""
    return f"{PREFIX}data-{guest}"


def pin_id(guest: str) -> str:
    """The constraint that binds a guest without high availability to its node."""
    return f"{PREFIX}pin-{guest}"


def move_id(guest: str) -> str:
    """The constraint that lasts while a guest is being moved on request."""
    return f"{PREFIX}move-{guest}"


def back_id(guest: str) -> str:
    """The constraint that returns a guest whose move fails to where it was."""
    return f"{PREFIX}back-{guest}"


def home_id(guest: str) -> str:
    """The constraint that brings a guest back to the node that it left for maintenance."""
    return f"{PREFIX}home-{guest}"


def drain_id(guest: str) -> str:
    """The constraint that says where a guest goes while its node is emptied."""
    return f"{PREFIX}drain-{guest}"


def guest_primitive(
    definition: Mapping[str, Any],
    *,
    priority: int | None,
    boot: str,
    recovery: Recovery = USUAL,
    monitor_interval: int = 10,
) -> Primitive:
    """A guest as a resource, which is looked at every ``monitor_interval`` seconds.

    Raises InvalidValue for a kind of guest there is no agent for.
    """
    kind = definition["kind"]
    if kind not in {"vm", "container"}:
        raise InvalidValue(f"guest {definition['name']} is of kind {kind!r}; known kinds are vm and container")
    memory = math.ceil(promised_memory(definition) / MIB)
    meta = {**({"priority": str(priority)} if priority else {}), **recovery.meta()}
    operations = [
        Operation("start", timeout=f"{time_limits.START}s"),
        # The agent itself escalates to a hard stop after stop_timeout: Pacemaker must not give up before it.
        Operation("stop", timeout=f"{int(definition.get('stop_timeout') or 60) + time_limits.STOP_BEYOND}s"),
        Operation("monitor", interval=f"{monitor_interval}s", timeout=f"{time_limits.MONITOR}s"),
        # Pacemaker counts a failed reload as a failed start and restarts the guest, whatever on-fail says:
        # the agents therefore succeed, and leave what could not be done live for a permitted restart.
        Operation("reload-agent", timeout=f"{time_limits.RELOAD}s"),
    ]
    if kind == "vm" or is_local(definition):
        meta["allow-migrate"] = "true"
        operations += [
            # A guest whose migration failed still runs where it was: leave it there, and see to it.
            Operation("migrate_to", timeout=f"{_migration_timeout(definition)}s", on_fail="block"),
            Operation("migrate_from", timeout=f"{time_limits.MIGRATE_FROM}s"),
        ]
    return Primitive(
        id=definition["name"],
        cls="ocf",
        provider=PROVIDER,
        type=kind,
        params={"definition": compact(definition), "boot": boot},
        meta=meta,
        utilization={"memory": str(memory), "vcpus": str(definition["vcpus"])},
        operations=tuple(sorted(operations, key=lambda op: (op.name, op.interval))),
    )


def _as_written(primitive: Primitive, there: Primitive | None) -> Primitive:
    """The resource with the definition that the cluster has, should that say the same in an older version's words.

    Pacemaker compares the text: it would have every agent look for a change that is none.
    """
    written = None if there is None else there.params.get("definition")
    if written is None or not alike(written, primitive.params["definition"]):
        return primitive
    return replace(primitive, params={**primitive.params, "definition": written})


def _down_or_up(primitive: Primitive, spec: GuestSpec, live: Configuration) -> Primitive:
    """The resource of a guest that stays down: declared to, by itself where it may, or for failing too often."""
    there = live.primitives.get(spec.name)
    if spec.stopped:
        return replace(primitive, meta={**primitive.meta, **stopped("declared")})
    if there is not None and stopped_by(there) in ("itself", "failures"):
        kept = {name: value for name, value in there.meta.items() if name in STARTED}
        return replace(primitive, meta={**primitive.meta, **kept})
    return primitive


def plan_guests(
    specs: Sequence[GuestSpec],
    live: Configuration,
    status: ClusterStatus,
    *,
    restart_needed: frozenset[str] = frozenset(),
    may_restart: frozenset[str] | bool = False,
) -> GuestsPlan:
    """Everything that is wanted of the cluster for these guests.

    ``restart_needed`` names guests with changes that only a restart applies; ``may_restart`` those that may be
    restarted for it (True: all). The others keep running, and their changes wait.
    """
    primitives: list[Primitive] = []
    constraints: list[Constraint] = []
    gone: set[str] = set()
    pending: list[str] = []
    stopping: list[Constraint] = []
    undercounted: list[str] = []
    load, room = _load(live, status), free(live, status)
    said = _declared(live)
    _refuse_shared_ids(specs, live)
    absent = {spec.name for spec in specs if spec.absent}
    known = ({spec.name for spec in specs} | set(live.guests())) - absent
    for spec in specs:
        declared = said.get(spec.name, set())
        if spec.definition is None:
            seen = status.resource(spec.name)
            gone |= declared | {spec.name} if spec.name in live.primitives else declared
            if spec.name in live.primitives and seen is not None and seen.active:
                stopping.append(Pin(f"{PREFIX}remove-{spec.name}", spec.name, None))
            continue
        permitted = chosen(spec.name, may_restart)
        if spec.name in restart_needed and not permitted:
            pending.append(spec.name)
        boot = _boot(spec, live.primitives.get(spec.name), spec.name in restart_needed and permitted)
        primitive = guest_primitive(
            spec.definition,
            priority=spec.priority,
            boot=boot,
            recovery=spec.recovery,
            monitor_interval=spec.monitor_interval,
        )
        primitive = _as_written(_down_or_up(primitive, spec, live), live.primitives.get(spec.name))
        counted = _counted(primitive, live.primitives.get(spec.name), status, room)
        if counted.utilization != primitive.utilization:
            undercounted.append(spec.name)
        primitives.append(counted)
        own = _placement(spec, known)
        if is_local(spec.definition):
            own.append(Location(data_id(spec.name), spec.name, _keeper(spec, live), "20000"))
        if spec.priority is None:
            node = _pinned_to(spec, live, status, load)
            load[node] = load.get(node, 0) + int(primitive.utilization["memory"])
            own.append(Pin(pin_id(spec.name), spec.name, node))
        constraints += own
        gone |= declared - {constraint.id for constraint in own}
    removed = {pin.resource for pin in stopping if isinstance(pin, Pin)}
    wanted = Wanted(tuple(primitives), tuple(constraints), absent=frozenset(gone))
    first = Wanted(
        tuple(primitives), (*constraints, *stopping), absent=frozenset(gone - removed - {p.id for p in stopping})
    )
    return GuestsPlan(wanted, first, tuple(pending), tuple(sorted(removed)), tuple(undercounted))


def _counted(
    primitive: Primitive, there: Primitive | None, status: ClusterStatus, room: dict[str, dict[str, int]]
) -> Primitive:
    """The resource counted with all the memory it may use, unless its node lacks the room for that.

    Older versions counted less. To count more of a guest that runs unchanged would have Pacemaker move guests off a
    node that is then too full; such a guest keeps its count. ``room`` is what the nodes have left.
    """
    seen = status.resource(primitive.id)
    before = None if there is None else guest_of(there)
    if there is None or before is None or seen is None or not seen.active:
        return primitive
    old, new = int(there.utilization.get("memory", "0")), int(primitive.utilization["memory"])
    if new <= old or promised_memory(before) != promised_memory(guest_of(primitive) or before):
        return primitive
    if any(room.get(node, {}).get("memory", 0) < new - old for node in seen.nodes):
        return replace(primitive, utilization={**primitive.utilization, "memory": str(old)})
    for node in seen.nodes:
        room[node]["memory"] -= new - old
    return primitive


def _migration_timeout(definition: Mapping[str, Any]) -> int:
    """Seconds after which Pacemaker gives a migration up: no less than 5 min, and after the agent did.

    Nobody knows how long disks and root file systems take to copy: the agent gives up when the other node does not
    answer any more, Pacemaker after a day.
    """
    if is_local(definition):
        timeout = (definition.get("migration") or {}).get("timeout")
        return int(timeout) + 300 if timeout and definition["kind"] == "container" else 86_400
    memory = int(definition.get("max_memory") or definition["memory"])
    return max(300, math.ceil(Policy.of(definition).longest(memory)) + 60)


def _refuse_shared_ids(specs: Sequence[GuestSpec], live: Configuration) -> None:
    """Raise InvalidValue for containers that two runs at a time have given the same ids."""
    before = {name: start for name, resource in live.guests().items() if (start := _ids_from(guest_of(resource)))}
    after = before | {spec.name: start for spec in specs if (start := _ids_from(spec.definition))}
    for name in (spec.name for spec in specs if spec.name in after and before.get(spec.name) != after[spec.name]):
        for other, start in after.items():
            if other != name and start == after[name]:
                raise InvalidValue(f"{name} was given ids that {other} has got meanwhile: run this again")


def _ids_from(definition: Mapping[str, Any] | None) -> int:
    """Where the ids of an unprivileged container begin; 0 for any other guest."""
    if not definition or definition.get("kind") != "container" or definition.get("privileged"):
        return 0
    return int((definition.get("idmap") or {}).get("start", 0))


def _boot(spec: GuestSpec, live: Primitive | None, restart: bool) -> str:
    """The parameter whose change restarts a guest: kept, unless a restart is due and permitted."""
    old = "" if live is None else live.params.get("boot", "")
    if old and not restart:
        return old
    return hashlib.sha256((old + compact(spec.definition or {})).encode()).hexdigest()[:12]


def _placement(spec: GuestSpec, known: Collection[str]) -> list[Constraint]:
    """What a guest's YAML says about its place. The cluster takes no constraint on a guest it does not know."""
    name = spec.name
    constraints: list[Constraint] = [
        Location(f"{PREFIX}prefer-{name}.{node}", name, node, str(max(10, 100 - 10 * rank)))
        for rank, node in enumerate(spec.prefer)
    ]
    constraints += [
        Colocation(f"{PREFIX}apart-{name}.{other}", name, other, "-5000") for other in spec.apart_from if other in known
    ]
    constraints += [
        Colocation(f"{PREFIX}together-{name}.{other}", name, other, "5000")
        for other in spec.together_with
        if other in known
    ]
    return constraints


def _declared(live: Configuration) -> dict[str, set[str]]:
    """By guest the ids of our live constraints that say what its YAML said."""
    found: dict[str, set[str]] = {}
    for name, constraint in live.constraints.items():
        guest = constraint.resources[0]
        if name.startswith(tuple(f"{PREFIX}{kind}-{guest}" for kind in _DECLARED)):
            found.setdefault(guest, set()).add(name)
    return found


def _keeper(spec: GuestSpec, live: Configuration) -> str:
    """The node that has the data of a guest on local storage: the one the cluster knows, else where it was made."""
    known = live.constraints.get(data_id(spec.name))
    node = known.node if isinstance(known, Location) else spec.home
    if node is None:
        raise InvalidValue(f"nobody knows which node has the data of {spec.name}: run playbooks/guests.yml")
    return node


def _pinned_to(spec: GuestSpec, live: Configuration, status: ClusterStatus, load: Mapping[str, int]) -> str:
    """The node of a guest without high availability: where it is pinned, else runs, else wishes to be, else
    the one with the least memory given away."""
    pin = live.constraints.get(pin_id(spec.name))
    if isinstance(pin, Pin) and pin.node in live.nodes:
        return str(pin.node)
    if spec.definition is not None and is_local(spec.definition):
        return _keeper(spec, live)
    seen = status.resource(spec.name)
    if seen is not None and seen.node is not None:
        return seen.node
    usable = [node.name for node in status.nodes if node.usable]
    wished = [node for node in spec.prefer if node in usable]
    if wished:
        return wished[0]
    if not usable:
        raise InvalidValue(f"no node is online to place guest {spec.name} on; see playbooks/status.yml")
    return min(usable, key=lambda node: (load.get(node, 0), node))


def _load(live: Configuration, status: ClusterStatus) -> dict[str, int]:
    """Memory in MiB that guests use, by node."""
    load: dict[str, int] = {}
    for name, primitive in live.guests().items():
        pin = live.constraints.get(pin_id(name))
        seen = status.resource(name)
        node = pin.node if isinstance(pin, Pin) else seen.node if seen is not None else None
        if node is not None:
            load[node] = load.get(node, 0) + int(primitive.utilization.get("memory", "0"))
    return load
