# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs that pause high availability and make it active again, carried out. What that is says cluster/paused.py."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..cluster import fencing, guest_health, paused
from ..cluster.cib import read
from ..cluster.objects import Wanted
from ..cluster.pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from ..core.wait import WaitTimeout, or_last

__all__ = ["activate", "pause"]

#: Seconds for what the cluster is about to do before it may be paused.
_REST = 60.0
#: Seconds for cutting the power of a node.
_CUT = 120.0
#: What is said of a node with SBD.
_DEAF = " by its power controller alone, for its SBD may have been stopped; playbooks/site.yml makes SBD a level again"


def pause(cluster: Pacemaker, *, now: str, check: bool) -> dict[str, Any]:
    """What module ha returns. Raises ClusterError while a node is lost, or the cluster is at work."""
    seen = cluster.look()
    live = read(seen.cib)
    if paused.since(live.properties):
        return _result(None, [paused.described(live.properties)])
    if lost := paused.pending_fences(seen.status):
        raise ClusterError(
            f"{' and '.join(lost)} is lost, and being fenced: its guests would start nowhere while high availability "
            "is paused. Wait until playbooks/status.yml has them running, or see there what keeps them"
        )
    if not seen.status.quorum:
        raise ClusterError("there is no quorum, so nothing can be changed: more than half of the nodes must be up")
    names = list(live.guests())
    if not check and not seen.idle(names):
        try:
            seen = cluster.settle(names, what="an end of what the cluster is doing", timeout=_REST)
        except WaitTimeout as late:
            raise ClusterError(f"the cluster is at work: {late.last}. Wait, and run this again") from late
    applied = cluster.apply(lambda _cib: Wanted(properties=paused.paused(now)), check=check, predict=False)
    words = paused.described(read(applied.difference.xml).properties)
    # A node that was lost in this very moment is one that would be fenced, had it been a moment earlier.
    if not check and (lost := paused.pending_fences(cluster.status())):
        cluster.apply(lambda _cib: Wanted(properties=paused.ACTIVE), check=False, predict=False)
        raise ClusterError(f"{' and '.join(lost)} was lost just now: high availability stays active, and fences it")
    return _result(applied, [words])


def activate(cluster: Pacemaker, *, fence: bool, timeout: float, check: bool) -> dict[str, Any]:
    """What module ha returns: also what the cluster makes of what has happened meanwhile. Raises ClusterError for nodes
    that are lost, unless they may be fenced, and for guests that do not come back."""
    seen = cluster.look()
    live = read(seen.cib)
    if paused.since(live.properties) is None:
        return _result(None, ["high availability is active already"])
    if not seen.status.quorum:
        raise ClusterError(
            "this node has no quorum, so nothing is settled from here: bring the network back until more than half of "
            "the nodes see each other"
        )
    # One in maintenance that has been shut down has no guests, and is not fenced.
    lost = [node for node in seen.status.nodes if not node.online and (node.unclean or not node.standby)]
    if lost and not fence:
        raise ClusterError(
            f"{' and '.join(node.name for node in lost)} is not there. Active again, the cluster may cut its power and "
            "start its guests elsewhere. Bring it back first, or permit that: -e fence=true"
        )
    # Whoever works on a cluster stops it by hand, and sbd with it. An order would count as carried out by nobody.
    deaf = fencing.distrusted([node.name for node in lost], live)
    gone = frozenset(each for its in deaf.values() for each in its)
    if not check:
        if gone:
            cluster.apply(lambda _cib: Wanted(absent=gone), check=False, predict=False)
        for node in lost:
            # Whoever left in order while nothing was managed has left its guests running, and nobody would fence it.
            if not node.unclean:
                cluster.fence(node.name, _CUT)
    applied = cluster.apply(lambda _cib: Wanted(properties=paused.ACTIVE, absent=gone), check=check)
    plan = [f"{node.name} is lost: it is fenced{_DEAF if node.name in deaf else ''}" for node in lost]
    plan = [*plan, *applied.prediction.sentences()]
    if check:
        return _result(applied, plan or ["nothing has happened meanwhile"])
    names = list(live.guests())
    last = or_last(partial(cluster.settle, names, what="every guest in its place", timeout=timeout, after=1.0))
    after = read(last.cib)
    wanted = [name for name in names if name not in guest_health.held_back(names, after, last.status)]
    if troubles := guest_health.troubles(wanted, after, last):
        told = "; ".join(f"{name}: {why}" for name, why in sorted(troubles.items()))
        raise ClusterError(f"high availability is active again, but not all guests run. {told}")
    return _result(applied, ["high availability is active", *plan, *_changed(names, seen, last)])


def _changed(names: list[str], before: Snapshot, after: Snapshot) -> list[str]:
    """What became of guests that were somewhere else, or nowhere, while it was paused."""
    words = []
    for name in names:
        was, now = before.status.resource(name), after.status.resource(name)
        failures = [str(failure) for failure in after.status.failures_of(name)]
        if failures:
            words.append(f"{name}: {'; '.join(dict.fromkeys(failures))}")
        if was and now and was.nodes != now.nodes:
            words.append(f"{name} was on {', '.join(was.nodes) or 'no node'}, and is on {', '.join(now.nodes)}")
    return words


def _result(applied: Applied[Any] | None, words: list[str]) -> dict[str, Any]:
    changed = applied is not None and applied.difference.changed
    return {"changed": changed, "diff": applied.difference.diff() if applied else [], "words": words}
