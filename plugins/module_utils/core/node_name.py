# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of the node that this process runs on."""

from __future__ import annotations

import os

__all__ = ["node_name"]


def node_name() -> str:
    """This node's name in the cluster, which is the kernel's (``uname -n``).

    Role node makes the host's name what the inventory calls it, and corosync.conf names it so to Pacemaker. So it is
    known without asking the cluster (``crm_node -n``), also where that is down or does not answer, and at no cost.
    """
    return os.uname().nodename
