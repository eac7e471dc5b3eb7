# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How loaded nodes and guests are, and were for the last hour; and what nodes are made of. Each node tells its own.

This node's own records are read, the others' asked for over the peer service (measure/load.py, peer/hardware.py). A
guest's past lies on all nodes that it has been on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..cluster.pacemaker import ClusterError
from ..core.node_name import node_name
from ..core.parallel import side_by_side
from ..measure import load
from ..measure.load import Series
from ..peer import hardware
from ..peer.channel import PeerError, ask
from .overview import Eyes
from .records import seconds_of
from .sampler import Sampler
from .trouble import Trouble, unknown

__all__ = ["Loads", "everywhere"]

#: Seconds for all nodes to answer, and for one to say what it is made of; and for which that is remembered.
_PATIENCE, _LOOKING, _REMEMBERED = 3.0, 20.0, 300.0
#: Seconds after which what nodes told last is no longer how it is.
_STALE = 60.0
#: Seconds of which a guest's past has one record, also when two nodes have one of each: while it moves.
_STEP = 15.0
_NOBODY: Mapping[str, Any] = {"nodes": {}, "guests": {}}


def everywhere(eyes: Eyes) -> dict[str, Any]:
    """How loaded each node that answers is (``nodes``), and each guest, by the node that it is on (``guests``)."""
    told = {**_asked(_others(eyes), {"do": "load"}, "load"), node_name(): load.latest()}
    return {
        "nodes": {name: one["nodes"][name] for name, one in told.items() if name in one["nodes"]},
        "guests": {name: one["guests"] for name, one in told.items()},
    }


class Loads:
    """What the page shows of loads and hardware. ``numbers`` takes the samples."""

    def __init__(self, eyes: Eyes, numbers: Sampler, clock: Callable[[], float] = time.monotonic) -> None:
        self._eyes, self._numbers, self._clock = eyes, numbers, clock
        self._hardware: dict[str, tuple[float, dict[str, Any]]] = {}

    def answer(self, verb: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """What comes of one of the verbs about these things. Raises Trouble."""
        match verb:
            case "guest_load":
                return self.of_guest(said["guest"])
            case "node_load":
                return self.of_node(said["node"])
        return self.hardware(said["node"])

    def into(self, look: dict[str, Any]) -> dict[str, Any]:
        """A look with the ``load`` of each of its nodes and guests, None where nobody has told it yet."""
        sampled = self._numbers.latest("loads", first=0.0)
        told = sampled["loads"] if sampled["age"].get("loads", _STALE) < _STALE else _NOBODY
        for node in look["nodes"]:
            node["load"] = told["nodes"].get(node["name"])
        for guest in look["guests"]:
            guest["load"] = told["guests"].get(guest["node"], {}).get(guest["name"])
        return look

    def of_node(self, name: str) -> dict[str, Any]:
        """The last hour of a node. Raises Trouble for one that there is not, or that does not answer."""
        if name == node_name():
            return {"load": {"node": name, **load.series("nodes", name)}}
        return {"load": {"node": name, **self._ask(name, {"do": "past load", "node": name}, _PATIENCE)["series"]}}

    def of_guest(self, name: str) -> dict[str, Any]:
        """The last hour of a guest, on all nodes that it was on. ``missing`` are those that did not answer. Raises
        Trouble for a guest that there is not."""
        if name not in self._eyes.see().live.guests():
            raise unknown(f"there is no guest {name}", "GET /cluster shows those there are.")
        others = _others(self._eyes)
        told = _asked(others, {"do": "past load", "guest": name}, "series")
        told[node_name()] = load.series("guests", name)
        missing = [node for node in others if node not in told]
        return {"load": {"guest": name, "missing": missing, **_merged(told)}}

    def hardware(self, name: str) -> dict[str, Any]:
        """What a node is made of. Raises Trouble for one that there is not, or that does not answer."""
        when, found = self._hardware.get(name, (0.0, None))
        if found is None or self._clock() - when >= _REMEMBERED:
            own = name == node_name()
            found = hardware.hardware() if own else self._ask(name, {"do": "hardware"}, _LOOKING)["hardware"]
            self._hardware[name] = self._clock(), found
        return {"hardware": {"node": name, **found}}

    def _ask(self, name: str, request: Mapping[str, Any], patience: float) -> dict[str, Any]:
        member = self._eyes.see().status.node(name)
        if member is None:
            raise unknown(f"there is no node {name}", "GET /cluster shows those there are.")
        if not member.online:
            raise _away(f"{name} is not online, so nobody can ask it", "Look again when it is back.")
        try:
            return ask(name, request, patience)
        except PeerError as error:
            raise _away(error.cause, f"Look at its peer service: systemctl status drover-peer on {name}.") from error


def _away(cause: str, remedy: str) -> Trouble:
    return Trouble("node_away", 503, cause, remedy=remedy)


def _others(eyes: Eyes) -> list[str]:
    """The other nodes that are online; none where there is no cluster."""
    try:
        return [node.name for node in eyes.see().status.nodes if node.online and node.name != node_name()]
    except ClusterError:
        return []


def _asked(nodes: Sequence[str], request: Mapping[str, Any], what: str) -> dict[str, Any]:
    """What nodes say to this, those that do in time."""

    def hear(node: str) -> Any:
        try:
            return ask(node, request, _PATIENCE)[what]
        except (PeerError, KeyError):
            return None

    return {node: said for node, said in side_by_side(hear, nodes, patience=_PATIENCE).items() if said is not None}


def _merged(told: Mapping[str, Series]) -> Series:
    """Series of several nodes as one, with the ``node`` of each record: of two at a time the one that does more."""
    chosen: dict[int, tuple[str, dict[str, Any]]] = {}
    for node, series in told.items():
        for number, at in enumerate(series["at"]):
            row = {name: values[number] for name, values in series.items()}
            step = int(seconds_of(at) // _STEP)
            if step not in chosen or (row.get("cpu") or 0) > (chosen[step][1].get("cpu") or 0):
                chosen[step] = node, row
    rows = [chosen[step] for step in sorted(chosen)]
    names = ["at", *(name for name in load.FIELDS if any(name in row for _node, row in rows))]
    return {"node": [node for node, _row in rows]} | {name: [row.get(name) for _node, row in rows] for name in names}
