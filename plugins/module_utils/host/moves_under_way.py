# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which moves of guests a restart of a node's services would cut short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.status import ClusterStatus
from ..migration import progress
from ..reporting import moves

__all__ = ["concerning", "moves_of"]


def moves_of(node: str) -> list[str]:
    """The moves from and to this node, in words: those that Pacemaker or an agent of any member knows of."""
    told = progress.read_all()
    status = None
    with suppress(ClusterError):  # where there is no cluster, nothing moves
        status = Pacemaker().status()
    if status is not None:
        told += progress.under_way(status)
    return concerning(node, status, told)


def concerning(node: str, status: ClusterStatus | None, told: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those of the moves that agents told which are from or to this node, and those that no agent has told of yet.

    The latter may go anywhere.
    """
    known = {move["guest"]: move for move in told}
    lines = [moves.progress(move) for move in known.values() if node in (move.get("from", node), move.get("to", node))]
    for resource in status.resources if status else ():
        if resource.pending and resource.pending.startswith("Migrating") and resource.name not in known:
            lines.append(f"{resource.name}: on its way from {', '.join(resource.nodes) or 'somewhere'}")
    return sorted(lines)
