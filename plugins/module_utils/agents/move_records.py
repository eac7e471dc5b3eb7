# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of moves that agents write into the journal: of those that arrived, and of those that did not.

It loads the journal, which costs more than the rest of an agent: agents load it when there is something to record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..core.node_name import node_name
from ..journal import book
from ..migration import progress
from . import ocf
from .ocf import Request

if TYPE_CHECKING:
    from ..hypervisor.libvirt_host import LibvirtHost
    from ..migration.relocation import Stop

__all__ = ["container_arrived", "container_stayed", "container_stopped_over", "vm_arrived", "vm_did_not_arrive"]

#: Seconds for the end of a migration to be told from its source to its target.
_RECENTLY = 60.0


def vm_arrived(request: Request, host: LibvirtHost) -> None:
    """Complete the record of the migration that brought the VM here."""
    from ..migration.record import arrival

    name, outcome = request.instance, host.outcome(request.instance)
    record = arrival(name, request.source, node_name(), outcome, progress.take(name))
    book.record(record)
    if outcome:
        ocf.info(f"{name} came from {record['from']} in {outcome.total} ms with a pause of {outcome.pause} ms")


def vm_did_not_arrive(request: Request, reason: str) -> None:
    """See that the journal has the failure of the migration that did not bring the VM here."""
    name, report = request.instance, progress.take(request.instance)
    told_by_source = any(
        last.get("result") == "failed"
        and last.get("ended")
        and (datetime.now(UTC) - datetime.fromisoformat(last["ended"])).total_seconds() < _RECENTLY
        for last in book.read(name, 1, others=())
    )
    if report or not told_by_source:
        book.record(book.failure("vm", name, request.source, node_name(), reason, report=report))


def container_arrived(name: str, arrival: Mapping[str, Any], announced: float) -> float:
    """Record the move that brought a container on local storage here; returns the seconds that it was away.

    ``arrival`` is what the source told; the container was ``announced`` here then, in unix time.
    """
    known = dict(arrival)
    # The source has measured from its stop to what it said last, this node from there on.
    downtime: float = known.pop("away") + announced - known.pop("received")
    started = datetime.fromisoformat(known["started"])
    book.record(
        {
            **known,
            "ended": book.stamp(),
            "result": "moved",
            "reason": "",
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
            "downtime_ms": round(downtime * 1000),
        }
    )
    return downtime


def container_stayed(move: Mapping[str, Any], seconds: float, reason: str) -> None:
    """Record a move of a container on local storage that failed at its source after so many seconds."""
    end = {"ended": book.stamp(), "result": "failed", "reason": reason, "seconds": round(seconds, 1)}
    book.record({**move, **end})


def container_stopped_over(name: str, stop: Stop, announced: float, failure: str = "") -> None:
    """Record the move of a container on shared storage: a stop elsewhere and the start here that was its second half.

    It was ``announced`` here then, in unix time, unless there was a ``failure``.
    """
    book.record(
        {
            "guest": name,
            "kind": "container",
            "from": stop.node,
            "to": node_name(),
            "started": book.stamp(stop.at),
            "ended": book.stamp(),
            "result": "failed" if failure else "moved",
            "reason": failure,
            "seconds": round(time.time() - stop.at, 1),
            "downtime_ms": None if failure else round((announced - stop.at) * 1000),
            "path": ["stopped", "started"],
            "policy": None,
            "forwarded": 0,
        }
    )
