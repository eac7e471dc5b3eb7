# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why moves failed: Pacemaker keeps no reason for that, and the journal of moves has the agents' own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..cluster.status import ClusterStatus, FailedAction
from ..journal.book import Book

__all__ = ["explained"]


def explained(
    status: ClusterStatus, journal: Callable[[], Sequence[Mapping[str, Any]]] = lambda: Book().entries()
) -> ClusterStatus:
    """The status with the reasons that the journal on this node knows."""
    if all(failure.reason or not failure.operation.startswith("migrate") for failure in status.failures):
        return status
    entries: Sequence[Mapping[str, Any]] = ()
    with suppress(OSError):
        entries = journal()
    return replace(status, failures=tuple(_explained(failure, entries) for failure in status.failures))


def _explained(failure: FailedAction, entries: Sequence[Mapping[str, Any]]) -> FailedAction:
    if failure.reason or not failure.operation.startswith("migrate"):
        return failure
    moves = [entry for entry in entries if entry.get("guest") == failure.resource]
    # A later move that went well has nothing to say of this failure.
    last = moves[-1] if moves else {}
    there = failure.node in (last.get("from"), last.get("to"))
    reason = str(last.get("reason") or "") if last.get("result") == "failed" and there else ""
    return replace(failure, reason=reason)
