# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster itself has against a guest's move: by its configuration and its status, without asking a node.

What the nodes have against it is in checks.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..cluster import paused
from ..cluster.capacity import free
from ..cluster.cib import Configuration
from ..cluster.disks import under_way
from ..cluster.objects import RECOVERY, Colocation
from ..cluster.status import ClusterStatus, NodeStatus
from .reasons import Finding

__all__ = ["COMPANY", "ClusterChecks"]

#: The codes of guests that are to be apart or together. They are wishes: they speak against a move that somebody
#: chooses, and not against emptying a node.
COMPANY = frozenset({"apart", "together"})
#: What a guest takes of a node, and how it is counted.
_UNITS = {"memory": " MiB of memory", "vcpus": " vcpus"}


class ClusterChecks:
    """A cluster in one moment, asked about moves; with ``place`` as it would be after some of them."""

    def __init__(self, live: Configuration, status: ClusterStatus) -> None:
        self.live, self.status = live, status
        self._guests = live.guests()
        self._left = free(live, status)
        self._places = {r.name: r.node for r in status.resources if r.node is not None}
        self._bonds: dict[str, list[Colocation]] = {}
        for constraint in live.constraints.values():
            if isinstance(constraint, Colocation):
                for name in constraint.resources:
                    self._bonds.setdefault(name, []).append(constraint)

    def source_of(self, guest: str) -> str | None:
        """The node that a guest would move from; None for one that is between two nodes just now, or nowhere."""
        seen = self.status.resource(guest)
        return seen.node if seen is not None else None

    def companions(self, guest: str) -> set[str]:
        """The guests that this one is to be together with or apart from, whoever of the two declares it."""
        return {name for bond in self._bonds.get(guest, ()) for name in bond.resources} - {guest}

    def memory_left(self, node: str) -> int:
        """MiB that a node has left for guests."""
        return self._left.get(node, {}).get("memory", 0)

    def place(self, guest: str, node: str) -> None:
        """Count a guest that leaves its node as one that is on this one."""
        self._places[guest] = node
        left = self._left.setdefault(node, {})
        for key, value in self.live.primitives[guest].utilization.items():
            left[key] = left.get(key, 0) - int(value)

    def immobile(self, guest: str) -> list[Finding]:
        """What speaks against moving a guest anywhere."""
        primitive, seen = self._guests.get(guest), self.status.resource(guest)
        if primitive is None or seen is None:
            known = ", ".join(sorted(self._guests)) or "none"
            message = f"there is no guest {guest} in the cluster; the guests are: {known}"
            return [Finding("unknown_guest", message, "name one of them, or declare it with playbooks/guests.yml")]
        if words := paused.described(self.live.properties):
            return [Finding("ha_paused", words, paused.REMEDY)]
        if not seen.active:
            remedy = "playbooks/guests.yml starts it, playbooks/status.yml says why not"
            return [Finding("guest_not_running", f"{guest} is not running", remedy)]
        if seen.pending:
            # First: on its way it may be seen on two nodes, and not be managed for a moment.
            message = f"{guest} is {seen.word} on {' and '.join(seen.nodes) or 'no node'}"
            return [Finding("guest_under_way", message, "wait; a move waits for it by itself")]
        if primitive.meta.get("maintenance") == "true" and RECOVERY not in primitive.meta:
            remedy = f"when that is over: crm_resource --resource {guest} --meta --delete-parameter maintenance"
            return [Finding("guest_unmanaged", f"somebody told the cluster to leave {guest} alone", remedy)]
        if moving := under_way(primitive):
            message = f"disk {' and '.join(moving)} of {guest} is on its way to another pool"
            remedy = f"wait, or carry it on (playbooks/guests.yml -e guests_move_disks={guest})"
            return [Finding("disks_moving", message, remedy)]
        if guest in self.status.notes:
            message = f"{guest} is {self.status.notes[guest]}"
            return [Finding("storage_full", message, "make room there: it goes on by itself, and can move then")]
        if seen.node is None or not seen.managed:
            place = f"{guest} is {seen.word} on {', '.join(seen.nodes)}"
            return [Finding("guest_in_trouble", place, "see playbooks/status.yml")]
        return []

    def objections(self, guest: str, target: str) -> list[Finding]:
        """What speaks against a guest's move to a node."""
        node = self.status.node(target)
        if node is None:
            known = ", ".join(sorted(member.name for member in self.status.nodes))
            remedy = f"name one of those there are: {known}"
            return [Finding("unknown_node", "there is no such node in the cluster", remedy)]
        if not node.usable:
            return [_unusable(node)]
        return [*self._room(guest, target), *self.company(guest, target)]

    def company(self, guest: str, target: str) -> Iterator[Finding]:
        """The guests whose company, or lack of it, speaks against a guest's stay on a node.

        A wish holds for both guests, whoever of the two declares it: Pacemaker moves the one that does as soon as
        the other is there.
        """
        for bond in self._bonds.get(guest, ()):
            [other] = set(bond.resources) - {guest}
            place = self._places.get(other)
            if place is None:
                continue
            own = bond.resource == guest
            stays = "it would not stay" if own else f"{other} would not stay"
            if bond.score.startswith("-") and place == target:
                message = f"{other} runs there, and {guest} and {other} are to be apart; {stays}"
                remedy = f"move {other} first" if own else f"let {other} give way (-e ignore=apart)"
                yield Finding("apart", message, f"name another node, or {remedy}")
            if not bond.score.startswith("-") and place != target:
                message = f"{guest} and {other} are to be together, and {other} runs on {place}; {stays}"
                remedy = f"move {other}, which takes {guest} along (-e ignore=together)"
                if not own:
                    remedy = f"have {other} follow (-e ignore=together)"
                yield Finding("together", message, f"name {place}, or {remedy}")

    def _room(self, guest: str, target: str) -> Iterator[Finding]:
        room = self._left.get(target, {})
        for key, value in sorted(self.live.primitives[guest].utilization.items()):
            left = max(0, room.get(key, 0))
            if key in _UNITS and int(value) > left:
                message = f"it has no room: {guest} needs {value}{_UNITS[key]}, and {left} are left"
                yield Finding(f"no_{key}", message, "move another guest off it first, or name another node")


def _unusable(node: NodeStatus) -> Finding:
    if node.word == "maintenance":
        remedy = f"end that with playbooks/maintenance.yml -e node={node.name} -e state=off, or name another node"
        return Finding("node_in_maintenance", "it is in maintenance", remedy)
    if node.word == "unmanaged":
        remedy = f"when that is over: crm_attribute --node {node.name} --name maintenance --delete"
        return Finding("node_offline", "somebody told the cluster to leave it alone (attribute maintenance)", remedy)
    return Finding("node_offline", f"it is {node.word}", "bring it back, or name another node")
