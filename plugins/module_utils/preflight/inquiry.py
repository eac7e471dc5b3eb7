# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The preflight: everything that speaks against moves, of one guest or of all that leave a node, found in one go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..migration import progress
from . import checks as readiness
from .checks import Check
from .cluster_checks import ClusterChecks
from .reasons import Finding, Seen
from .survey import NodeView, survey

__all__ = ["Preflight", "preflight"]


@dataclass(frozen=True)
class Preflight:
    """An answer for each guest and each node that it is not on, and the ``views`` of nodes that they come of."""

    checks: tuple[Check, ...] = ()
    views: Mapping[str, NodeView] = field(default_factory=dict)

    def seen(self, guest: str) -> Seen:
        """What the nodes have against a guest's moves, by target."""
        return {one.target: one.seen for one in self.checks if one.guest == guest}

    def findings(self, guest: str, target: str | None) -> list[Finding]:
        """All that speaks against one move."""
        return [f for one in self.checks if (one.guest, one.target) == (guest, target) for f in one.findings]


def preflight(
    guests: Sequence[str], nodes: Sequence[str], cluster: ClusterChecks, measure: Collection[str] = ()
) -> Preflight:
    """Ask the cluster and the nodes about moves of these guests to these nodes.

    ``measure`` are VMs whose use of memory is wanted as well, which takes a second.
    """
    views = survey(readiness.going(guests, nodes, cluster), measure=measure)
    moving = progress.under_way(cluster.status)
    places = {name: found.nodes if (found := cluster.status.resource(name)) else () for name in guests}
    pairs = [(name, node) for name in guests for node in nodes if node not in places[name]]
    return Preflight(tuple(readiness.check(name, node, cluster, views, moving) for name, node in pairs), views)
