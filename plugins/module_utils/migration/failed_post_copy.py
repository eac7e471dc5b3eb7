# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a post-copy leaves with libvirt that failed before the VM had begun at the target, and when to do away with it.

That starts libvirt's daemon anew, which calls off what else migrates from or to this node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..hypervisor.libvirt_host import LibvirtHost
from . import progress as moves

__all__ = ["forget"]

#: Seconds to wait for others at most, and between two looks at what they do.
_LONGEST = 60.0
_AGAIN = 1.0


def forget(host: LibvirtHost, name: str, node: str, seconds: float, clock: Callable[[], float]) -> None:
    """Have libvirt forget a VM's failed post-copy, within ``seconds``; if possible while it does nothing else here.

    ``node`` is this one. Raises HostError.
    """
    until = clock() + min(seconds, _LONGEST)
    while host.failed_post_copy(name):
        if clock() < until and _others_at_work(name, node):
            time.sleep(_AGAIN)
        else:
            host.forget_post_copy(name)
            return


def _others_at_work(name: str, node: str) -> bool:
    """Whether another VM leaves this node, or the cluster does something with another guest here."""
    leaving = [one for one in moves.read_all() if one.get("kind") == "vm" and one.get("phase") != "failed"]
    if any(one["guest"] != name for one in leaving):
        return True
    with suppress(ClusterError):
        resources = Pacemaker().status().resources
        return any(one.pending and one.name != name and node in one.nodes for one in resources)
    return False
