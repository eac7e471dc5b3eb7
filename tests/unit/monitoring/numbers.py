# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The numbers of a small cluster, as the steward tells them."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.steward.numbers import history
from ansible_collections.cspp.drover.tests.unit.console.played import Played

__all__ = ["JOURNAL", "NUMBERS"]

_STARTED = "2026-11-29T10:00:0{}.000Z"
#: What a journal has of each kind.
JOURNAL: list[dict[str, Any]] = [
    {
        "id": "o1",
        "kind": "operation",
        "node": "n1",
        "started": _STARTED.format(0),
        "result": "ordered",
        "steps": [{"guest": "mc", "to": "n2", "forecast": {"pause": 0.05, "seconds": 2.0}}],
    },
    {
        "id": "m1",
        "guest": "mc",
        "kind": "vm",
        "from": "n1",
        "to": "n2",
        "started": _STARTED.format(1),
        "result": "moved",
        "downtime_ms": 40,
    },
    {
        "id": "m2",
        "guest": "mc",
        "kind": "vm",
        "from": "n2",
        "to": "n1",
        "started": _STARTED.format(2),
        "result": "failed",
        "reason": "why not",
    },
    {
        "id": "m3",
        "guest": "web",
        "kind": "container",
        "from": "n2",
        "to": "n1",
        "started": _STARTED.format(3),
        "result": "moved",
        "downtime_ms": 1200,
    },
    {"id": "p1", "kind": "proof", "node": "node1", "started": _STARTED.format(4), "result": "fenced"},
    {
        "id": "d1",
        "kind": "drill",
        "node": "n2",
        "started": _STARTED.format(5),
        "result": "well",
        "drill": "power",
        "variant": "off",
    },
]
_LOOK = Played(calm=True).look()
#: Three nodes of one size, as much promised on each.
_NODES = [{**node, "memory": {"total": 64 << 30, "promised": 24 << 30}} for node in _LOOK["nodes"]]
NUMBERS: dict[str, Any] = {
    "age": {"cluster": 3.5, "usage": 1.0, "history": 2.0},
    "cluster": {
        "look": {
            **_LOOK,
            "nodes": _NODES,
            "problems": [{"severity": "error", "text": "a", "remedy": "b"}],
            "declaration": {"commit": "3f2c1a", "dirty": False, "at": None, "drift": {"mc": ["update"]}, "unknown": ""},
        },
        "homeless": {"node2": ["mail"]},
        "usable": ["node1", "node2", "node3"],
    },
    "usage": [
        {
            "guest": 'odd"name',
            "kind": "vm",
            "cpu_seconds": 12.5,
            "memory": 2**30,
            "read": 1,
            "written": 2,
            "received": 3,
            "sent": 4,
        },
        {"guest": "web", "kind": "container", "cpu_seconds": 0.25},
    ],
    "history": {
        **history(JOURNAL, 1_795_946_400.0),
        "certificates": [{"name": "ca", "what": "certificate", "end": 1_800_000_000.0}],
    },
}
