# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest on local storage starts where its data is, and nowhere else.

Which node that is, one constraint in the cluster's configuration says (cluster/guests.data_id). Every node has it, it
changes in one piece, and it makes Pacemaker start the guest there first. When that node is lost, Pacemaker tries
the others: the agents refuse at once, and the guest waits. To forbid the others by a score of -INFINITY would save
these attempts, but Pacemaker could then never move the guest by itself, say off a node that goes into standby.
"""

from __future__ import annotations

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.errors import DroverError
from ..core.node_name import node_name
from ..guest.definition import Definition, is_local

__all__ = ["OwnershipError", "claim", "forget_refusals", "hand_over", "require_here"]


class OwnershipError(DroverError):
    """The data of a guest is another node's, or the cluster does not tell or change whose it is."""


def require_here(name: str, definition: Definition) -> None:
    """Raise OwnershipError for a guest whose data is on the storage of another node."""
    if not is_local(definition):
        return
    try:
        keeper = Pacemaker().data_of(name)
    except ClusterError as error:
        raise OwnershipError(f"nobody can tell where the data of {name} is: {error}") from error
    if keeper is None:
        raise OwnershipError(f"nobody has said which node has the data of {name}: run playbooks/guests.yml")
    if keeper != node_name():
        # Pacemaker shows no more than some hundred characters of it.
        raise OwnershipError(f"the data of {name} is on {keeper} (local storage): it waits for that node")


def forget_refusals(guest: str) -> None:
    """Let a guest that runs where its data is go again to the nodes that have refused to start it.

    Raises OwnershipError.
    """
    cluster = Pacemaker()
    try:
        if any(failure.operation in ("start", "migrate_from") for failure in cluster.status().failures_of(guest)):
            cluster.retry(guest)
    except ClusterError as error:
        raise OwnershipError(
            f"{guest} does not go to nodes that refused to start it for the next minutes: {error}"
        ) from error


def hand_over(guest: str, source: str, target: str) -> None:
    """Say that the data of a guest is now on ``target`` and no longer on ``source``. Raises OwnershipError."""
    try:
        Pacemaker().hand_over(guest, source, target)
    except ClusterError as error:
        raise OwnershipError(str(error)) from error


def claim(guest: str) -> bool:
    """Say that a guest that runs here has its data here. Returns whether the cluster had it elsewhere."""
    here = node_name()
    try:
        cluster = Pacemaker()
        keeper = cluster.data_of(guest)
        if keeper in (None, here):
            return False
        cluster.hand_over(guest, keeper, here)
    except ClusterError:
        return False  # the next look says so
    return True
