# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing devices as Pacemaker's resources: what cuts a node's power, and where it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .cib import Configuration
from .ipmitool import AGENTS
from .objects import PREFIX, Alert, Constraint, Level, Location, Operation, Primitive
from .sbd import AGENT as SBD
from .timing_rules import SHOT

__all__ = [
    "ALERT",
    "DELAY",
    "FenceDevice",
    "device_id",
    "distrusted",
    "fencing",
    "is_device",
    "level_ids",
    "levels",
    "node_of",
    "only_sbd",
    "trusted",
    "usual_port",
]

#: Tells every node of each fencing; one of them then switches the fenced node on again (agents/power_back.py).
ALERT = Alert(f"{PREFIX}alert", "/usr/lib/drover/current/bin/alert", ("fencing",))
#: Seconds that one of two nodes holds back when they shoot at each other.
DELAY = SHOT
#: Agents that wait two seconds after an order, whether the power controller has carried it out by then or not.
_ASKED_AT_ONCE = AGENTS | {"fence_redfish"}
#: What the resources of each level are called, before the node's name: a power controller, a second one, SBD.
_DEVICES = {1: f"{PREFIX}fence-", 2: f"{PREFIX}fallback-", 3: f"{PREFIX}sbd-"}


@dataclass(frozen=True)
class FenceDevice:
    """A device that cuts one node's power, or has it reset itself (SBD, whose ``address`` are disks with commas between
    them); ``options`` are further parameters of its agent. It is asked when those of lower ``level`` have failed."""

    node: str
    address: str
    username: str = ""
    password: str = ""
    port: int = 623
    agent: str = "fence_ipmilan"
    options: Mapping[str, str] = field(default_factory=dict)
    level: int = 1

    @property
    def id(self) -> str:
        """The resource that it is."""
        return device_id(self.node, self.level)

    @property
    def parameters(self) -> dict[str, str]:
        """What the fence agent itself is told. Some know users by a key rather than a password, or no users."""
        own = {name: value for name, value in self.options.items() if not name.startswith("pcmk_")}
        if self.agent == SBD:
            return {"devices": self.address, **own}
        login = {"username": self.username, "password": self.password}
        return {
            "ip": self.address,
            "ipport": str(self.port),
            **{name: value for name, value in login.items() if value},
            # Off, and seen to be off: a power cycle that nobody verified is no fencing.
            **({"lanplus": "1", "method": "onoff"} if self.agent in AGENTS else {}),
            # It is asked until it says "off", so there is nothing to wait for.
            **({"power_wait": "0"} if self.agent in _ASKED_AT_ONCE else {}),
            **own,
        }

    def resource(self, *, delayed: bool) -> Primitive:
        """The device as Pacemaker has it. One that is ``delayed`` lets the node that it cuts shoot first."""
        params = {
            **self.parameters,
            "pcmk_host_list": self.node,
            "pcmk_host_check": "static-list",
            # Guests start elsewhere as soon as it is off. It is switched on again afterwards.
            "pcmk_reboot_action": "off",
            # What fails is told, then tried from another node, and again and again by the cluster.
            "pcmk_reboot_retries": "1",
            "pcmk_off_retries": "1",
            **({"pcmk_delay_base": f"{DELAY}s"} if delayed else {}),
            **{name: value for name, value in self.options.items() if name.startswith("pcmk_")},
        }
        return Primitive(
            id=self.id,
            cls="stonith",
            provider=None,
            type=self.agent,
            params=params,
            # One whose power controller did not answer is tried again each minute.
            meta={"failure-timeout": "60s"},
            operations=(
                Operation("start", timeout="60s"),
                Operation("monitor", interval="60s", timeout="30s"),
            ),
        )


def device_id(node: str, level: int = 1) -> str:
    """The resource that cuts a node's power."""
    return f"{_DEVICES[level]}{node}"


def is_device(resource: str) -> bool:
    """Whether a resource cuts a node's power."""
    return resource.startswith(tuple(_DEVICES.values()))


def node_of(device: str) -> tuple[str, int]:
    """The node whose power a resource cuts, and at which level."""
    level = next(level for level, prefix in _DEVICES.items() if device.startswith(prefix))
    return device.removeprefix(_DEVICES[level]), level


def levels(
    devices: Sequence[FenceDevice] | None, live: Configuration, kept: Collection[str] = ()
) -> tuple[list[Level], set[str]]:
    """The order in which the devices of nodes that have several are asked, and the ids of those orders that are to go.

    Those of the nodes ``kept`` stay as they are.
    """
    if devices is None:
        return [], set()
    by_node: dict[str, list[FenceDevice]] = {}
    for device in devices:
        by_node.setdefault(device.node, []).append(device)
    wanted = [
        Level(_level_id(node, place), node, place, device.id)
        for node, its in by_node.items()
        if len(its) > 1
        for place, device in enumerate(sorted(its, key=lambda one: one.level), 1)
    ]
    known = {name for node in live.nodes if node not in kept for name in level_ids(node)}
    return wanted, known - {level.id for level in wanted}


def level_ids(node: str) -> set[str]:
    """What the orders of a node's devices are called."""
    return {_level_id(node, level) for level in _DEVICES}


def _level_id(node: str, level: int) -> str:
    return f"{PREFIX}level-{node}-{level}"


def only_sbd(node: str, resources: Collection[str]) -> bool:
    """Whether nothing but SBD fences a node: it resets, and nobody can or need switch the node on again."""
    its = {level for name in resources if is_device(name) for whose, level in [node_of(name)] if whose == node}
    return its == {3}


def trusted(devices: Sequence[FenceDevice], live: Configuration, unseen: Collection[str]) -> list[FenceDevice]:
    """The devices without SBD of nodes that nobody has seen watch its disks, unless that was there before.

    An order to a node that does not read it would count as carried out, and its guests run twice.
    """
    return [
        device for device in devices if device.agent != SBD or device.node not in unseen or device.id in live.primitives
    ]


def distrusted(nodes: Collection[str], live: Configuration) -> dict[str, set[str]]:
    """The ids of what makes SBD a level of nodes that nobody sees, by node; they have to go where sbd may have been
    stopped in order."""
    found = {}
    for node in nodes:
        sbd = device_id(node, 3)
        if sbd in live.primitives:
            controllers = [level for level in (1, 2) if device_id(node, level) in live.primitives]
            orders = {_level_id(node, 3)} if len(controllers) > 1 else level_ids(node)
            found[node] = {sbd, f"{sbd}-elsewhere", *orders}
    return found


def usual_port(agent: str) -> int:
    """The port at which an agent finds its power controller."""
    return {"fence_redfish": 443}.get(agent, 623)


def fencing(
    devices: Sequence[FenceDevice] | None, live: Configuration, kept: Collection[str] = ()
) -> tuple[list[Primitive], list[Constraint], set[str]]:
    """The devices as resources, their places, and the ids of those of ours that are not wanted any more.

    Without a list (None) nothing is wanted and nothing is to go. The devices of the nodes ``kept`` stay as they are.
    A device never runs on the node that it cuts: a node can't be trusted to kill itself. Of two nodes, which may lose
    sight of each other, the first survives.
    """
    primitives: list[Primitive] = []
    places: list[Constraint] = []
    survivor = min(live.nodes) if len(live.nodes) == 2 else None
    for device in devices or ():
        name = device.id
        primitives.append(device.resource(delayed=device.node == survivor))
        places.append(Location(f"{name}-elsewhere", name, device.node, "-INFINITY"))
    wanted = {primitive.id for primitive in primitives} | {
        device_id(node, level) for node in kept for level in _DEVICES
    }
    gone = {name for name in live.primitives if is_device(name)} - wanted
    return primitives, places, set() if devices is None else gone
