# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Started when the storage of this node was mounted: has the cluster try again the guests that could not start here.

Left alone, Pacemaker tries again when the failure expires, minutes later (cluster/options.RESOURCE_DEFAULTS).
"""

from __future__ import annotations

import syslog

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.status import ClusterStatus
from ..core.node_name import node_name

__all__ = ["main", "waiting"]


def waiting(status: ClusterStatus, node: str) -> list[str]:
    """The guests that run nowhere and have failed to start on a node."""
    failed = {each.resource for each in status.failures if each.node == node and each.operation == "start"}
    guests = (guest for guest in status.resources if guest.name in failed)
    return [guest.name for guest in guests if guest.agent.startswith("ocf:drover:") and not guest.active]


def main() -> int:
    syslog.openlog("drover-storage", syslog.LOG_PID, syslog.LOG_DAEMON)
    cluster = Pacemaker()
    try:
        for guest in waiting(cluster.status(), node_name()):
            syslog.syslog(syslog.LOG_INFO, f"storage was mounted: {guest} may start again")
            cluster.retry(guest)
    except ClusterError as error:
        # While the node boots there is no cluster yet, and nothing has failed.
        syslog.syslog(syslog.LOG_INFO, f"nobody was told that storage was mounted: {error}")
    return 0
