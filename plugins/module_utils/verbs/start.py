# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "start", carried out: a guest that stays down runs again."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..cluster import guest_health
from ..cluster.cib import read
from ..cluster.objects import Wanted
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.stopped import STARTED, described, remedy, stopped_by
from ..core.wait import or_last
from .by_hand import the_guest

__all__ = ["start"]


def start(cluster: Pacemaker, name: str, *, timeout: float, check: bool) -> dict[str, Any]:
    """What module guest_start returns. Raises ClusterError for a guest that is declared to be stopped, that is not
    known, or that does not start."""

    def wanted(cib: str) -> Wanted:
        if stopped_by(the_guest(read(cib), name)) == "declared":
            raise ClusterError(f"{name} {described('declared')}; {remedy(name, 'declared')}")
        return Wanted(meta={name: STARTED})

    down = read(cluster.query()).guests().get(name)
    if not check and down is not None and stopped_by(down) == "failures":
        # Or the first failure would be its last again.
        cluster.retry(name)
    applied = cluster.apply(wanted, check=check)
    if check:
        seen = cluster.look()
    else:
        seen = or_last(partial(cluster.settle, [name], what=f"the start of {name}", timeout=timeout))
    live = read(seen.cib)
    if not check:
        why = {**guest_health.held_back([name], live, seen.status), **guest_health.troubles([name], live, seen)}
        if why:
            raise ClusterError(f"{name} does not run: {why[name]}")
    guest, nothing = seen.status.resource(name), f"{name} may run already: nothing keeps it down"
    node = applied.prediction.place(name) if check and applied.difference.changed else guest and guest.node
    return {
        "changed": applied.difference.changed,
        "diff": applied.difference.diff(),
        "plan": applied.prediction.sentences() or [f"{name} runs on {node} already" if node else nothing],
        "node": node,
    }
