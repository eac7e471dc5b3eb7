# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which addresses a node's mounts are known to Ceph, told to the cluster: it is asked for once the node is gone.

A mount has a new one each time. As a lasting attribute of the node, for what a node has said of itself for a while is
forgotten in the very moment in which it is lost.
"""

from __future__ import annotations

from ..ceph.admin_socket import mounts
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.command import CommandError, run
from ..core.errors import run_program
from ..core.node_name import node_name
from .ceph_lost import ATTRIBUTE

__all__ = ["main"]


def _tell() -> int:
    told, here = " ".join(mounts()), node_name()
    if not told:
        raise ClusterError("no mount of Ceph's file system answers yet")
    if Pacemaker().attribute(here, ATTRIBUTE) != told:
        argv = ["crm_attribute", "--node", here, "--name", ATTRIBUTE, "--update", told, "--lifetime", "forever"]
        run(argv, timeout=30)
    return 0


def main() -> int:
    """Tell it; systemd tries again until the cluster is there to listen."""
    return run_program(_tell, CommandError)
