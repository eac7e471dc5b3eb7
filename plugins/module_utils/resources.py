# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Drover's guests, fencing devices and options are in Pacemaker's terms.

Scores. A guest stays where it is (stickiness 1000) rather than follow a wish for a node (100 and less), but
moves for the sake of company or its absence (5000), and nothing of this ever keeps it from running. One whose data
is on local storage starts where that is (20000), and leaves only on request or when it cannot stay.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .cib import Configuration
from .cib_objects import PREFIX, PROVIDER, Colocation, Constraint, Location, Operation, Pin, Primitive, Wanted
from .cluster_status import ClusterStatus
from .controller import Policy
from .definition import compact, is_local
from .pacemaker import Snapshot
from .simulate import Prediction

__all__ = [
    "REPAIRS",
    "RESOURCE_DEFAULTS",
    "FenceDevice",
    "GuestSpec",
    "GuestsPlan",
    "addresses_of",
    "back_id",
    "cluster_properties",
    "data_id",
    "drain_id",
    "fencing",
    "guest_of",
    "guest_primitive",
    "held_back",
    "home_id",
    "move_id",
    "pin_id",
    "plan_guests",
    "repairs",
    "troubles",
    "unasked",
]

MIB = 1024 * 1024

RESOURCE_DEFAULTS: Mapping[str, str] = {
    "resource-stickiness": "1000",
    # A node where a start failed is tried again later: storage that was away must not keep guests down for good. A
    # migration that failed is blocked instead, which does not expire.
    "failure-timeout": "10min",
}

#: Constraints that say what a guest's YAML says; those of a verb under way (move, home, drain) are the verb's.
_DECLARED = ("prefer", "apart", "together", "pin", "data", "remove")


def cluster_properties(nodes: int, *, fenced: bool) -> dict[str, str]:
    """The cluster options of a Drover cluster of so many nodes. Set explicitly, for defaults have changed."""
    return {
        "stonith-enabled": "true" if fenced else "false",
        "stonith-action": "reboot",
        # A watchdog that nobody set up must never count as fencing.
        "stonith-watchdog-timeout": "0",
        "concurrent-fencing": "true",
        # Two nodes that lose sight of each other would shoot at once: the one with the dearer guests first.
        "priority-fencing-delay": "10s" if nodes == 2 else "0s",
        "no-quorum-policy": "stop",
        "placement-strategy": "balanced",
        # Migrations at once per node: they share one wire.
        "migration-limit": "2",
        "cluster-recheck-interval": "5min",
    }


@dataclass(frozen=True)
class FenceDevice:
    """A device that cuts one node's power; ``options`` are further parameters of its agent."""

    node: str
    address: str
    username: str
    password: str
    port: int = 623
    agent: str = "fence_ipmilan"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """What the fence agent itself is told."""
        return {
            "ip": self.address,
            "ipport": str(self.port),
            "username": self.username,
            "password": self.password,
            "lanplus": "1",
            # Off, seen to be off, on: a power cycle that nobody verified is no fencing.
            "method": "onoff",
            **self.options,
        }


def fencing(
    devices: Sequence[FenceDevice] | None, live: Configuration
) -> tuple[list[Primitive], list[Constraint], set[str]]:
    """The devices as resources, their places, and the ids of those of ours that are not wanted any more.

    Without a list (None) nothing is wanted and nothing is to go.
    A device never runs on the node that it cuts: a node can't be trusted to kill itself.
    """
    primitives: list[Primitive] = []
    places: list[Constraint] = []
    for device in devices or ():
        name = f"{PREFIX}fence-{device.node}"
        params = {
            **device.parameters,
            "pcmk_host_list": device.node,
            "pcmk_host_check": "static-list",
        }
        primitives.append(
            Primitive(
                id=name,
                cls="stonith",
                provider=None,
                type=device.agent,
                params=params,
                operations=(
                    Operation("start", timeout="60s"),
                    Operation("monitor", interval="60s", timeout="30s"),
                ),
            )
        )
        places.append(Location(f"{name}-elsewhere", name, device.node, "-INFINITY"))
    wanted = {primitive.id for primitive in primitives}
    gone = {name for name in live.primitives if name.startswith(f"{PREFIX}fence-")} - wanted
    return primitives, places, set() if devices is None else gone


@dataclass(frozen=True)
class GuestSpec:
    """What is wanted of one guest.

    ``definition`` is None for an absent one. ``priority`` is None for a guest without high availability, which
    is pinned to one node. ``prefer`` lists nodes, ``apart_from`` and ``together_with`` other guests. ``home`` is
    where the data of a guest on local storage was made: it holds until the cluster knows where that is.
    """

    name: str
    definition: Mapping[str, Any] | None
    priority: int | None = 0
    prefer: tuple[str, ...] = ()
    apart_from: tuple[str, ...] = ()
    together_with: tuple[str, ...] = ()
    home: str | None = None

    @property
    def absent(self) -> bool:
        return self.definition is None


@dataclass(frozen=True)
class GuestsPlan:
    """``wanted`` is the whole wish; ``first`` differs from it while guests to be removed still run: they stop
    first. ``pending_restart`` are guests whose change waits for a permitted restart."""

    wanted: Wanted
    first: Wanted
    pending_restart: tuple[str, ...]
    stopping: tuple[str, ...]


def guest_of(resource: Primitive) -> dict[str, Any] | None:
    """The definition that a guest's resource carries."""
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


def guest_primitive(definition: Mapping[str, Any], *, priority: int | None, boot: str) -> Primitive:
    """A guest as a resource. Raises ValueError for a kind of guest there is no agent for."""
    kind = definition["kind"]
    if kind not in {"vm", "container"}:
        raise ValueError(f"guest {definition['name']} is of kind {kind!r}; known kinds are vm and container")
    memory = math.ceil(int(definition["memory"]) / MIB)
    meta = {"priority": str(priority)} if priority else {}
    operations = [
        Operation("start", timeout="120s"),
        # The agent itself escalates to a hard stop after stop_timeout: Pacemaker must not give up before it.
        Operation("stop", timeout=f"{int(definition.get('stop_timeout') or 60) + 30}s"),
        Operation("monitor", interval="10s", timeout="30s"),
        # Pacemaker counts a failed reload as a failed start and restarts the guest, whatever on-fail says:
        # the agents therefore succeed, and leave what could not be done live for a permitted restart.
        Operation("reload-agent", timeout="60s"),
    ]
    if kind == "vm" or is_local(definition):
        meta["allow-migrate"] = "true"
        operations += [
            # A guest whose migration failed still runs where it was: leave it there, and see to it.
            Operation("migrate_to", timeout=f"{_migration_timeout(definition)}s", on_fail="block"),
            Operation("migrate_from", timeout="120s"),
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
    load = _load(live, status)
    absent = {spec.name for spec in specs if spec.absent}
    known = ({spec.name for spec in specs} | set(live.guests())) - absent
    for spec in specs:
        declared = _declared(spec.name, live)
        if spec.definition is None:
            seen = status.resource(spec.name)
            gone |= declared | {spec.name} if spec.name in live.primitives else declared
            if spec.name in live.primitives and seen is not None and seen.active:
                stopping.append(Pin(f"{PREFIX}remove-{spec.name}", spec.name, None))
            continue
        permitted = may_restart is True or (may_restart is not False and spec.name in may_restart)
        if spec.name in restart_needed and not permitted:
            pending.append(spec.name)
        boot = _boot(spec, live.primitives.get(spec.name), spec.name in restart_needed and permitted)
        primitives.append(guest_primitive(spec.definition, priority=spec.priority, boot=boot))
        own = _placement(spec, known)
        if is_local(spec.definition):
            own.append(Location(data_id(spec.name), spec.name, _keeper(spec, live), "20000"))
        if spec.priority is None:
            node = _pinned_to(spec, live, status, load)
            load[node] = load.get(node, 0) + int(spec.definition["memory"]) // MIB
            own.append(Pin(pin_id(spec.name), spec.name, node))
        constraints += own
        gone |= declared - {constraint.id for constraint in own}
    removed = {pin.resource for pin in stopping if isinstance(pin, Pin)}
    wanted = Wanted(tuple(primitives), tuple(constraints), absent=frozenset(gone))
    first = Wanted(
        tuple(primitives), (*constraints, *stopping), absent=frozenset(gone - removed - {p.id for p in stopping})
    )
    return GuestsPlan(wanted, first, tuple(pending), tuple(sorted(removed)))


#: What a repair does to a guest, in words.
REPAIRS = {
    "recover": "put in order after a failed migration, without a restart",
    "retry": "try again after a failure",
}


def repairs(names: Sequence[str], status: ClusterStatus) -> dict[str, Literal["recover", "retry"]]:
    """The guests to be helped, and how: ``recover`` one whose migration failed, which still runs; ``retry``
    one that failed to start or stop."""
    found: dict[str, Literal["recover", "retry"]] = {}
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
        permitted = may_restart is True or (may_restart is not False and action.name in may_restart)
        if action.kind == "restart" and not permitted:
            # After a repaired migration Pacemaker no longer knows which parameters may change live.
            sentences.append(
                f"{action}: it has not been permitted to restart. Permit it (allow_restart), or, if the change "
                f"could be made live, move the guest first: playbooks/migrate.yml -e guest={action.name}"
            )
    return sentences


def held_back(names: Sequence[str], live: Configuration, status: ClusterStatus) -> dict[str, str]:
    """Why each of these guests rightly does not run: somebody stopped it, or the one node it needs is away."""
    found: dict[str, str] = {}
    for name in names:
        guest = status.resource(name)
        if guest is not None and guest.active:
            continue
        meta = live.primitives[name].meta if name in live.primitives else {}
        if meta.get("target-role") == "Stopped":
            found[name] = (
                "somebody stopped it; to start it: "
                f"crm_resource --resource {name} --meta --delete-parameter target-role"
            )
        for kept, why in ((data_id(name), "its data is there"), (pin_id(name), "ha: false")):
            bond = live.constraints.get(kept)
            node = bond.node if isinstance(bond, (Location, Pin)) else None
            host = status.node(node) if node else None
            if node and (host is None or not host.usable):
                word = host.word if host else "not a member"
                found[name] = f"it is bound to {node} ({why}), which is {word}; it starts when that node is back"
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
            found[name] = (
                "no node can take it: too little memory or too few vcpus are free, or every node is offline or "
                "in maintenance. See playbooks/status.yml; make the guest smaller, or room for it"
            )
    return found


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


def _declared(guest: str, live: Configuration) -> set[str]:
    """The ids of our live constraints that say what the guest's YAML said."""
    prefixes = tuple(f"{PREFIX}{kind}-{guest}" for kind in _DECLARED)
    return {
        name
        for name, constraint in live.constraints.items()
        if constraint.resources[0] == guest and name.startswith(prefixes)
    }


def _keeper(spec: GuestSpec, live: Configuration) -> str:
    """The node that has the data of a guest on local storage: the one the cluster knows, else where it was made."""
    known = live.constraints.get(data_id(spec.name))
    node = known.node if isinstance(known, Location) else spec.home
    if node is None:
        raise ValueError(f"nobody knows which node has the data of {spec.name}: run playbooks/guests.yml")
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
        raise ValueError(f"no node is online to place guest {spec.name} on; see playbooks/status.yml")
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
