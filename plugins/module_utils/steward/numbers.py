# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The numbers that Prometheus and the page are told of a node and its cluster, in parts (see sampler.py).

``cluster`` is the look that the page shows, with the headroom; every node tells the same. ``usage`` is what the guests
of this node use, which no other tells, so that sums over all nodes are right during a move. ``history`` comes of the
journal, which all nodes have, and of this node's own certificates. These three are for Prometheus (SCRAPED).

``usage``, and ``node``, which is what the node itself uses, are put on record (measure/load.py), so these two are taken
always (KEPT). ``loads`` is how loaded all nodes and guests are, of which each node is asked; the page shows it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..agents import glance
from ..cluster.pacemaker import ClusterError
from ..core.errors import DroverError
from ..core.node_name import node_name
from ..hypervisor.guest_usage import LibvirtUsage, of_container
from ..hypervisor.lxc_host import LxcHost
from ..journal.book import Entry
from ..measure.load import Keeper
from ..measure.node_counters import of_node
from ..notify import receivers
from ..notify.marks import KINDS, Marks
from ..planning.headroom import homeless
from .loads import everywhere
from .overview import Eyes, document
from .records import Ledger, seconds_of
from .sampler import Sampler

__all__ = ["BUCKETS", "KEPT", "SCRAPED", "histogram", "history", "sampler"]

#: Parts that Prometheus asks for, and that are taken always.
SCRAPED, KEPT = ("cluster", "usage", "history"), ("node", "usage")
#: Upper bounds of what pauses, and errors of forecasts, are counted by, in seconds.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Seconds within which a move belongs to the operation that had it forecast.
_ITS_MOVE = 3600.0


def sampler(eyes: Eyes, ledger: Ledger) -> Sampler:
    """What takes the numbers of this node."""
    keeper = Keeper()

    def node() -> None:
        keeper.note("nodes", {node_name(): of_node()})

    def usage() -> list[dict[str, Any]]:
        rows = _usage()
        keeper.note("guests", {row["guest"]: _numbers(row) for row in rows})
        return rows

    return Sampler(
        {
            "cluster": lambda: _cluster(eyes, ledger),
            "node": node,
            "usage": usage,
            "loads": lambda: everywhere(eyes),
            "history": lambda: {**history(ledger.book.entries(), time.time()), "certificates": _certificates()},
        }
    )


def _cluster(eyes: Eyes, ledger: Ledger) -> dict[str, Any]:
    look = document(eyes, ledger, ())
    found: dict[str, Any] = {"look": look, "homeless": {}, "usable": []}
    with suppress(ClusterError):
        sight = eyes.see()
        usable = [node.name for node in sight.status.nodes if node.usable]
        places = {one.name: one.node for one in sight.status.resources}
        found["homeless"] = homeless(sight.live, places, usable)
        found["usable"] = usable
    return found


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in ("guest", "kind")}


def _usage() -> list[dict[str, Any]]:
    rows = []
    # Where no VM runs, libvirt's daemon is left asleep.
    if any(Path(glance.LIBVIRT).glob("*.pid")):
        with suppress(ImportError, DroverError):
            rows += [{"guest": name, "kind": "vm", **used} for name, used in LibvirtUsage().usage().items()]
    for name in LxcHost().names():
        known = glance.marked(name)
        used = of_container(name, known[0] if known else None)
        # One that is gone may have left its configuration.
        if "cpu_seconds" in used:
            rows.append({"guest": name, "kind": "container", **used})
    return rows


def history(entries: Sequence[Entry], now: float) -> dict[str, Any]:
    """What a journal tells, as numbers."""
    moves = [e for e in entries if e.get("guest") and e.get("from") and e.get("result") in ("moved", "failed")]
    counted = Counter((str(e.get("kind")), str(e["result"])) for e in moves)
    pauses = {
        kind: histogram(
            e["downtime_ms"] / 1000 for e in moves if e.get("kind") == kind and e.get("downtime_ms") is not None
        )
        for kind in ("vm", "container")
    }
    proofs: dict[str, float] = {}
    for entry in entries:
        if entry.get("kind") == "proof" and entry.get("result") == "fenced":
            proofs[str(entry["node"])] = seconds_of(str(entry["started"]))
    drills: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.get("kind") == "drill":
            drills[str(entry.get("drill")), str(entry.get("variant"))] = entry
    told = Marks([entry for entry in entries if entry.get("kind") in KINDS])
    names: Sequence[str] = ()
    with suppress(DroverError, OSError):
        names = list(receivers.receivers())
    return {
        "moves": [
            {"kind": kind, "result": result, "count": count} for (kind, result), count in sorted(counted.items())
        ],
        "pauses": pauses,
        "forecast_errors": histogram(_errors(entries, moves)),
        "lost": sum(entry.get("kind") == "story" and entry.get("story") == "lost" for entry in entries),
        "proofs": proofs,
        "drills": [
            {"drill": drill, "variant": variant, "result": entry["result"], "at": seconds_of(str(entry["started"]))}
            for (drill, variant), entry in sorted(drills.items())
        ],
        "untold": len(told.untold(names, now)),
    }


def histogram(values: Iterable[float]) -> dict[str, Any]:
    """How many values are in each of the buckets, the last without a bound; their count and sum."""
    counts, total = [0] * (len(BUCKETS) + 1), 0.0
    for value in values:
        counts[bisect_left(BUCKETS, value)] += 1
        total += value
    return {"buckets": list(BUCKETS), "counts": counts, "sum": round(total, 6)}


def _errors(entries: Sequence[Entry], moves: Sequence[Entry]) -> Iterable[float]:
    """By how much the pauses of moves were other than forecast when somebody had asked for the move."""
    for entry in entries:
        if entry.get("kind") != "operation":
            continue
        began = seconds_of(str(entry["started"]))
        for step in entry.get("steps") or ():
            expected: Mapping[str, float] = step.get("forecast") or {}
            its = [
                move["downtime_ms"] / 1000
                for move in moves
                if (move["guest"], move.get("to")) == (step["guest"], step["to"])
                and move.get("downtime_ms") is not None
                and 0 <= seconds_of(str(move["started"])) - began < _ITS_MOVE
            ]
            if its and "pause" in expected:
                yield abs(its[0] - expected["pause"])


def _certificates() -> list[dict[str, Any]]:
    """When this node's certificates end, and the authorities that signed them, in unix time."""
    from ..trust import renewal
    from ..trust.keyfiles import held
    from ..trust.pki import ends

    found = []
    for path in renewal.files():
        # What cannot be read is told by status.yml, in words.
        with suppress(DroverError, OSError, ValueError, KeyError, TypeError):
            for identity in renewal.declared(path)[0]:
                texts = [("certificate", held(pair.certificate)) for pair in identity.pairs[:1]]
                for what, text in (*texts, ("authority", identity.known)):
                    if text:
                        found.append({"name": identity.authority, "what": what, "end": ends(text).timestamp()})
    return found
