# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small cluster, as the steward's documents tell of it."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

__all__ = ["Cluster", "now"]

GIB = 1 << 30

Document = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _node(name: str, number: int, state: str = "online") -> Document:
    fencing = {"devices": [f"ipmi-{name}"], "proof": "2026-11-17T08:00:00.000Z", "problem": None}
    return {
        "name": name,
        "state": state,
        "address": f"10.0.0.{number}",
        "memory": {"total": 64 * GIB, "promised": 24 * GIB},
        "cpus": {"total": 32, "promised": 12},
        "guests": 0,
        "fencing": fencing,
    }


def _guest(name: str, number: int, kind: str, node: str | None, **different: Any) -> Document:
    return {
        "name": name,
        "kind": kind,
        "state": "running" if node else "stopped",
        "node": node,
        "wanted": "started" if node else "stopped",
        "memory": 2 * GIB,
        "vcpus": 2 if kind == "vm" else None,
        "priority": 0,
        "tags": [],
        "addresses": [f"10.0.1.{number}"],
        "declared": True,
        "storage": "local",
        "problem": None,
        "ha": True,
        **different,
    }


class Cluster:
    """Three nodes and six guests, which do at once what they are told."""

    def __init__(self) -> None:
        self.epoch = 100
        self.quorum = True
        self.nodes = {name: _node(name, number) for number, name in enumerate(("node1", "node2", "node3"), 1)}
        guests = [
            _guest("minecraft", 1, "vm", "node1", priority=100, tags=["games"]),
            _guest("mail", 2, "vm", "node2", tags=["office"]),
            _guest("website", 3, "container", "node1", tags=["web"]),
            _guest("wiki", 4, "container", "node3", tags=["web"]),
            _guest("try-out", 5, "container", "node2", declared=False, ha=False),
            _guest("archive", 6, "vm", None),
        ]
        self.guests = {guest["name"]: guest for guest in guests}
        self.plans: dict[str, Document] = {}
        self.operations: dict[str, Document] = {}
        self.journal: list[Document] = []
        for number in range(5):
            self.record("minecraft", "vm", "node2", "node1", f"move-{number}", f"2026-11-2{number}T10:00:00.000Z")

    def look(self) -> Document:
        for node in self.nodes.values():
            node["guests"] = sum(guest["node"] == node["name"] for guest in self.guests.values())
        cluster = {"name": "stage", "quorum": self.quorum, "epoch": f"0.{self.epoch}.0", "served_by": "node1"}
        lost = {
            "text": "The cluster has no quorum.",
            "remedy": "Start the other nodes.",
            "severity": "error",
        }
        return deepcopy(
            {
                "cluster": {**cluster, "paused": False, "partial": None},
                "problems": [] if self.quorum else [lost],
                "nodes": list(self.nodes.values()),
                "guests": list(self.guests.values()),
                "moves": [],
                "operations": list(self.operations.values())[-20:],
            }
        )

    def plan(self, action: str, subject: str, target: str | None = None) -> Document:
        others = [name for name, node in self.nodes.items() if name != subject and node["state"] == "online"]
        moving: list[tuple[str, str | None]] = []
        if action == "drain":
            here = [name for name, guest in self.guests.items() if guest["node"] == subject]
            moving = [(name, others[at % len(others)]) for at, name in enumerate(here)]
        elif action == "migrate":
            away = [name for name in others if name != self.guests[subject]["node"]]
            moving = [(subject, target or away[0])]
        plan: Document = {
            "id": f"plan-{len(self.plans) + 1}",
            "epoch": f"0.{self.epoch}.0",
            "action": action,
            "subject": subject,
            "moves": [self._move(order, name, to) for order, (name, to) in enumerate(moving, 1)],
            "stops": [],
            "stays": [],
            "unplaced_after": [{"node": others[0], "guests": []}] if others else [],
            "notes": [],
            "play": f"ansible-playbook cspp.drover.maintenance -e node={subject}",
            "curl": f"curl -H 'Authorization: Bearer ...' .../api/v1/nodes/{subject}/{action}",
            "yaml": f"# {action} {subject}",
            "refused": None,
            "role": "operator",
        }
        self.plans[plan["id"]] = plan
        return deepcopy(plan)

    def carry_out(self, plan: Document, by: str) -> Document:
        for move in plan["moves"]:
            self.guests[move["guest"]]["node"] = move["to"]
            kind = self.guests[move["guest"]]["kind"]
            self.record(move["guest"], kind, move["from"], move["to"], f"move-{len(self.journal)}", now())
        match plan["action"]:
            case "drain":
                self.nodes[plan["subject"]]["state"] = "maintenance"
            case "return":
                self.nodes[plan["subject"]]["state"] = "online"
            case "start":
                self.guests[plan["subject"]].update(state="running", wanted="started", node="node3")
            case "stop":
                self.guests[plan["subject"]].update(state="stopped", wanted="stopped", node=None)
        self.epoch += 1
        return self.operation(plan, by)

    def operation(self, plan: Document, by: str) -> Document:
        done = [{"text": f"{move['guest']} to {move['to']}", "state": "done"} for move in plan["moves"]]
        operation = {
            "id": f"operation-{len(self.operations) + 1}",
            "verb": plan["action"],
            "subject": plan["subject"],
            "by": by,
            "from": "127.0.0.1",
            "since": now(),
            "state": "done",
            "ended": now(),
            "steps": done,
            "message": None,
            "remedy": None,
        }
        self.operations[operation["id"]] = operation
        return operation

    def record(self, guest: str, kind: str, source: str | None, target: str, id: str, ended: str) -> None:
        figures = {"seconds": 4.2, "downtime_ms": 46, "rounds": 3, "bytes": GIB, "forwarded": 12}
        where = {"guest": guest, "kind": kind, "from": source, "to": target}
        self.journal.append({"id": id, **where, "started": ended, "ended": ended, "result": "moved", **figures})

    def _move(self, order: int, name: str, target: str | None) -> Document:
        guest = self.guests[name]
        live = guest["kind"] == "vm"
        forecast = {"pause": 0.05 if live else 1.2, "seconds": 12.0 if live else 4.0}
        how = "live" if live else "restart"
        return {"guest": name, "from": guest["node"], "to": target, "order": order, "forecast": forecast, "how": how}
