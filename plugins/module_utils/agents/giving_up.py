# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that fails again and again: after so many restarts it stays down, with the reason (cluster/recovery.py)."""

from __future__ import annotations

from ..core.node_name import node_name
from . import ocf
from .ocf import Request
from .staying_down import told

__all__ = ["given_up"]


def given_up(request: Request) -> bool:
    """Tell the cluster to leave a guest down that has ended here, if it was started again often enough.

    True says that the cluster has just been told: it stops the guest now, which only clears up. False leaves it to the
    cluster to start it again, as when the cluster cannot be told.
    """
    name = request.instance
    if not request.recurring:
        return False
    from ..cluster.cib import read
    from ..cluster.objects import Wanted
    from ..cluster.recovery import Failures, Recovery, gives_up
    from ..cluster.stopped import failed_too_often, stopped_by

    here = node_name()

    def down(cib: str) -> Wanted:
        live = read(cib)
        guest, counted = live.primitives.get(name), dict(live.failures.get(name, {}))
        recovery = None if guest is None else Recovery.of(guest.meta)
        if guest is None or recovery is None or stopped_by(guest) or not gives_up(recovery, counted, here):
            return Wanted()
        before = counted.get(here, Failures())
        times = {node: failures.running for node, failures in counted.items() if failures.running}
        return Wanted(meta={name: failed_too_often({**times, here: before.running + 1})})

    if not told(down, f"{name} has ended, and nobody can tell whether it has failed too often by now"):
        return False
    ocf.warning(f"{name} has failed too often and stays down")
    return True
