# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The removal of a node from the cluster, planned: what speaks against it, and what of it goes from the configuration.

The order keeps quorum: the node is emptied, then it stops and forgets the cluster, then the members' corosync forgets
the node, and Pacemaker last. So at each step the node is off before anybody counts without it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..cluster.cib import Configuration
from ..cluster.fencing import is_device, level_ids, node_of
from ..cluster.guests import data_id
from ..cluster.objects import Location, Pin, Wanted
from ..cluster.quorum import majority
from ..cluster.status import ClusterStatus

__all__ = ["Standing", "forget", "kept_by", "refusals"]


@dataclass(frozen=True)
class Standing:
    """How a node stands that is to leave: ``listed`` are the nodes in corosync's list, ``answering`` those that the
    controller reaches by SSH."""

    node: str
    listed: Collection[str]
    answering: Collection[str]

    @property
    def answers(self) -> bool:
        return self.node in self.answering


def refusals(standing: Standing, live: Configuration, status: ClusterStatus) -> list[str]:
    """What speaks against a removal, with the numbers; what the guests on the node have against leaving it is asked
    when it is emptied (drain.refusals)."""
    node = standing.node
    seen = status.node(node)
    online = seen is not None and seen.online
    found = []
    if online and not standing.answers:
        found.append(
            f"{node} is a running member and does not answer by SSH, so that nobody could take its keys. Have it in "
            "the inventory and reachable, or switch it off"
        )
    deaf = sorted(
        other.name for other in status.nodes if other.online and other.name not in {node, *standing.answering}
    )
    if deaf:
        found.append(
            f"{', '.join(deaf)} {_are(deaf)} running and {_do(deaf)} not answer by SSH, and would go on counting "
            f"{node}. Make every member reachable that runs"
        )
    found += _quorum(standing, status)
    stuck = {
        name: why
        for name in sorted(kept_by(node, live))
        if (why := _stuck(name, node, online=online, status=status)) is not None
    }
    found += [
        f"the data of {name} is on {node}'s own storage and nowhere else, and {why}. Start it, so that it can "
        "leave, or remove it (state: absent), or restore it elsewhere from a backup first"
        for name, why in stuck.items()
    ]
    return found


def kept_by(node: str, live: Configuration) -> set[str]:
    """The guests whose data is on a node's own storage, by the cluster's word."""
    places = ((name, live.constraints.get(data_id(name))) for name in live.guests())
    return {name for name, place in places if isinstance(place, Location) and place.node == node}


def forget(node: str, live: Configuration) -> Wanted:
    """What goes from the configuration when a node has left: its fencing device, and all that binds guests to it."""
    bound = {name for name, one in live.constraints.items() if isinstance(one, Location | Pin) and one.node == node}
    devices = {name for name in live.primitives if is_device(name) and node_of(name)[0] == node}
    return Wanted(absent=frozenset(bound | devices | level_ids(node)))


def _quorum(standing: Standing, status: ClusterStatus) -> list[str]:
    """Whether the others have quorum without the node, while it still counts and when it does no longer."""
    others = sorted(one.name for one in status.nodes if one.online and one.name != standing.node)
    listed = set(standing.listed)
    if not listed - {standing.node}:
        return [f"{standing.node} is the only node of the cluster"]
    needed = majority(len(listed))
    present = [name for name in others if name in listed]
    if len(present) >= needed:
        return []
    away = sorted(listed - {standing.node, *present})
    return [
        f"quorum would not survive: of {len(listed)} votes {needed} are needed, and without {standing.node} there "
        f"would be {len(present)} ({', '.join(present) or 'none'}). Bring back {', '.join(away)} first"
    ]


def _stuck(guest: str, node: str, *, online: bool, status: ClusterStatus) -> str | None:
    """Why a guest whose data is on the node cannot take it along; None when it can."""
    seen = status.resource(guest)
    if not online:
        return "the node does not run"
    if seen is None or not seen.active or node not in seen.nodes:
        return "it is not running there"
    return None


def _are(names: Collection[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _do(names: Collection[str]) -> str:
    return "do" if len(names) > 1 else "does"
