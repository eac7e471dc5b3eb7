# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "stop", carried out: a guest is shut down by somebody's hand, and stays down until somebody starts it."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..cluster import guest_health
from ..cluster.cib import read
from ..cluster.objects import FAILED, STOPPED_BY, Wanted
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.stopped import stopped_by
from ..core.wait import or_last
from .by_hand import the_guest

__all__ = ["stop"]

#: What Pacemaker's own tools set, too: without a mark it is the hand's (see cluster/stopped.py).
_BY_HAND = {"target-role": "Stopped", STOPPED_BY: None, FAILED: None}


def stop(cluster: Pacemaker, name: str, *, timeout: float, check: bool) -> dict[str, Any]:
    """What module guest_stop returns. Raises ClusterError for a guest that is not known, or does not stop."""

    def wanted(cib: str) -> Wanted:
        # One that is down keeps what is known of why.
        return Wanted() if stopped_by(the_guest(read(cib), name)) else Wanted(meta={name: _BY_HAND})

    applied = cluster.apply(wanted, check=check)
    if not check:
        seen = or_last(partial(cluster.settle, [name], what=f"the stop of {name}", timeout=timeout))
        guest = seen.status.resource(name)
        if guest is not None and not guest.down:
            why = guest_health.troubles([name], read(seen.cib), seen).get(name, f"it is {guest.word}")
            raise ClusterError(f"{name} does not stop: {why}")
    return {
        "changed": applied.difference.changed,
        "diff": applied.difference.diff(),
        "plan": applied.prediction.because("asked for", [name]).sentences() or [f"{name} is stopped already"],
    }
