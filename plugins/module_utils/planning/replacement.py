# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The replacement of a node by a machine with an empty disk, planned: what speaks against it.

The new machine has the name and the address of the old one, and so its number; it joins like any node of the inventory.
"""

from __future__ import annotations

from ..cluster.cib import Configuration
from ..cluster.objects import NodeSettings, Wanted
from ..cluster.status import ClusterStatus
from ..storage.remembered import ATTRIBUTE
from .removal import kept_by

__all__ = ["forget", "refusals"]


def refusals(node: str, live: Configuration, status: ClusterStatus, *, answers: bool, blank: bool) -> list[str]:
    """What speaks against it. ``answers`` by SSH does the machine that is there now, and ``blank`` it is when it knows
    of no cluster."""
    seen = status.node(node)
    if seen is None:
        known = ", ".join(sorted(member.name for member in status.nodes))
        return [
            f"the cluster has no node {node} to be replaced (its nodes are: {known}). A new one joins with site.yml"
        ]
    if not answers:
        return [
            f"{node} does not answer by SSH. Install Debian on the new machine, with the address of the old one. Where "
            f"SSH complains of another host key, forget the old one on this machine: ssh-keygen -R ADDRESS. If "
            f"nothing is to take its place: playbooks/node_remove.yml -e node={node}"
        ]
    if seen.online:
        return []
    found = []
    if seen.unclean:
        found.append(
            f"{node} is unclean: the cluster could not make sure that the old machine is off, and it may still "
            "write to the disks of its guests. When you have seen with your own eyes that it has no power: "
            f"`stonith_admin --confirm {node}` on a member"
        )
    lost = sorted(kept_by(node, live)) if blank else []
    if lost:
        found.append(
            f"the data of {', '.join(lost)} was on {node}'s own storage, and the disk there is empty now. Put the "
            "old disk in again, or remove these guests (state: absent, playbooks/guests.yml) and restore them from a "
            "backup afterwards"
        )
    return found


def forget(node: str, status: ClusterStatus, *, blank: bool) -> Wanted:
    """What the cluster remembers of the old disk: its pools, for which the new ones would be taken for others."""
    seen = status.node(node)
    if not blank or seen is None or seen.online:
        return Wanted()
    return Wanted(nodes=(NodeSettings(node, {ATTRIBUTE: None}),))
