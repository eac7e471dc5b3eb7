# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The look: all that the page shows of the cluster, from one run of crm_mon and one query of the CIB."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster.cib import Configuration, read
from ..cluster.fencing import is_device, node_of
from ..cluster.guests import guest_of
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.status import ClusterStatus, NodeStatus
from ..core.node_name import node_name
from ..core.parallel import both
from ..core.quantities import MIB
from ..journal.book import Entry, stamp
from ..migration import progress
from ..peer import members
from ..reporting import drift, reasons
from ..reporting.status import overview
from .records import Ledger

__all__ = ["Eyes", "Sight", "document", "epoch_of", "guest_row"]

#: Seconds for which a look is good enough for the next who asks.
_FRESH = 1.0
#: States of a guest in the page, by the word of the status table's; what is missing here is by what it begins with.
_STATES = {
    "running": "running",
    "starting": "starting",
    "stopping": "stopped",
    "stopped": "stopped",
    "paused": "failed",
}
_NODE_STATES = {"shutdown": "pending", "unmanaged": "maintenance", "maintenance": "standby"}


@dataclass(frozen=True)
class Sight:
    """One look: the CIB as text and read, the status, and the moves under way."""

    cib: str
    live: Configuration
    status: ClusterStatus
    moves: Sequence[Mapping[str, Any]]
    when: float


class Eyes:
    """Looks at the cluster, once for all who ask in the same moment."""

    def __init__(
        self,
        cluster: Callable[[], Pacemaker] = Pacemaker,
        moves: Callable[[ClusterStatus], list[dict[str, Any]]] = progress.under_way,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._moves, self._clock = cluster, moves, clock
        self._lock = threading.Lock()
        self._last: Sight | None = None
        self.drift = drift.Remembered()

    def see(self, *, fresh: bool = False) -> Sight:
        """The cluster as it is, or was a second ago at most. Raises ClusterError where it cannot be asked."""
        with self._lock:
            if not fresh and self._last is not None and self._clock() - self._last.when < _FRESH:
                return self._last
            cluster = self._cluster()
            cib, status = both(cluster.query, cluster.status)
            status = reasons.explained(status)
            self._last = Sight(cib, read(cib), status, self._moves(status), self._clock())
            return self._last


def epoch_of(live: Configuration) -> str:
    """The version of the configuration, as people compare it."""
    version = live.version
    return f"{version.admin_epoch}.{version.epoch}.{version.num_updates}"


def document(eyes: Eyes, ledger: Ledger, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The look as a document. A node whose cluster does not run tells that, and what to do."""
    try:
        sight = eyes.see()
    except ClusterError as error:
        return _alone(error, operations)
    live, status = sight.live, sight.status
    seen = overview(live, status)
    addresses = members.known()
    partial, proofs = None if status.quorum else _NO_QUORUM, ledger.entries("proof")
    return {
        "cluster": {
            "name": live.properties.get("cluster-name", ""),
            "quorum": status.quorum,
            "epoch": epoch_of(live),
            "served_by": node_name(),
            "paused": seen["cluster"]["paused_since"] is not None,
            "partial": partial,
        },
        "problems": [_problem(text) for text in seen["problems"]],
        "nodes": [
            _node(row, status.node(row["name"]), status, proofs, addresses.get(row["name"])) for row in seen["nodes"]
        ],
        "guests": [_guest(row, live, seen["problems"]) for row in seen["guests"]],
        "moves": [_move(one) for one in sight.moves],
        "operations": list(operations),
        "declaration": eyes.drift(sight.cib, status, ledger.entries("declaration")),
    }


def guest_row(name: str, sight: Sight) -> dict[str, Any]:
    """A guest's entry of the look."""
    seen = overview(sight.live, sight.status)
    row = next(row for row in seen["guests"] if row["name"] == name)
    return _guest(row, sight.live, seen["problems"])


_NO_QUORUM = (
    "there is no quorum: this is what this node alone knows, and nothing can be changed until more than half of the "
    "nodes are up again"
)


def _alone(error: ClusterError, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a node says whose cluster does not run."""
    return {
        "cluster": {
            "name": "",
            "quorum": False,
            "epoch": "",
            "served_by": node_name(),
            "paused": False,
            "partial": f"{node_name()} is no running member of the cluster, so it knows nothing of it",
        },
        "problems": [{"text": error.cause, "remedy": error.remedy, "severity": "error"}],
        "nodes": [],
        "guests": [],
        "moves": [],
        "operations": list(operations),
        "declaration": drift.UNKNOWN,
    }


def _problem(text: str) -> dict[str, str]:
    # What is wrong and what to do are one sentence, with a semicolon between them, in reporting/status.py.
    cause, _semicolon, remedy = text.rpartition("; ")
    return {"text": cause or text, "remedy": remedy if cause else "", "severity": "error"}


def _node(
    row: Mapping[str, Any],
    member: NodeStatus | None,
    status: ClusterStatus,
    proofs: Sequence[Entry],
    address: str | None,
) -> dict[str, Any]:
    name = row["name"]
    devices = [one for one in status.resources if is_device(one.name) and node_of(one.name)[0] == name]
    proven = [e["started"] for e in proofs if e.get("node") == name and e.get("result") == "fenced"]
    broken = [one.name for one in devices if not (one.running or one.pending)]
    problem = f"{', '.join(broken)} does not answer" if broken else None
    return {
        "name": name,
        "state": _NODE_STATES.get(row["state"], row["state"]) if member else "offline",
        "address": address,
        "memory": {"total": row["memory"] * MIB, "promised": row["memory_used"] * MIB},
        "cpus": {"total": row["vcpus"], "promised": row["vcpus_used"]},
        "guests": len(row["guests"]),
        "fencing": {
            "devices": [one.name for one in devices],
            "proof": max(proven, default=None),
            "problem": problem if devices or not status.fencing else "no device can cut its power",
        },
    }


def _guest(row: Mapping[str, Any], live: Configuration, problems: Sequence[str]) -> dict[str, Any]:
    definition = guest_of(live.primitives[row["name"]]) or {}
    mine = [text for text in problems if text.startswith((f"guest {row['name']} ", f"{row['name']} "))]
    return {
        "name": row["name"],
        "kind": row["kind"],
        "state": _state(row),
        "node": row["nodes"][0] if row["nodes"] else None,
        "wanted": "stopped" if row["stopped_by"] else "started",
        "memory": row["memory"] * MIB,
        "vcpus": row["vcpus"],
        "priority": row["priority"],
        "tags": [str(tag) for tag in definition.get("tags") or ()],
        "addresses": row["addresses"],
        "declared": definition.get("declared") is not False,
        "storage": _storage(definition),
        "screen": definition.get("screen") is True,
        "problem": mine[0] if mine else None,
        "ha": row["ha"],
    }


def _state(row: Mapping[str, Any]) -> str:
    word = str(row["state"])
    if word.startswith("migrat"):
        return "moving"
    if word in _STATES:
        # One that runs nowhere and that nobody stopped waits for a node.
        return "waiting" if word == "stopped" and not row["stopped_by"] else _STATES[word]
    if word.startswith(("stopped", "unmanaged, not")):
        return "stopped"
    return "running" if word.startswith("running") else "failed"


def _storage(definition: Mapping[str, Any]) -> str:
    """The folder of a pool, or the pool in Ceph, that a guest's first volume is in."""
    volume: Mapping[str, Any] = definition.get("rootfs") or next(
        (disk["source"] for disk in definition.get("disks") or ()), {}
    )
    # A pool's folder holds vms/NAME/FILE, and containers/NAME/rootfs.
    path = str(volume.get("path") or "")
    return str(volume.get("pool") or "") or "/".join(path.split("/")[:-3])


def _move(move: Mapping[str, Any]) -> dict[str, Any]:
    percent = move.get("percent")
    return {
        "id": move.get("id"),
        "guest": move["guest"],
        "from": move.get("from"),
        "to": move.get("to"),
        "since": stamp(move["since"]) if move.get("since") else None,
        "progress": None if percent is None else round(percent / 100, 3),
        "phase": move.get("phase"),
    }
