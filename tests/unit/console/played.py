# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A steward that plays a cluster of three nodes: what it tells has the shape of the real one's, and plans are kept.

A drain moves a guest each time that somebody looks, so that who watches sees them leave one after another.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

GIB = 1 << 30
ROLES = ("viewer", "operator", "admin")
#: The role that each verb takes; what is not here takes that of a viewer.
NEEDS = {"plan": "operator", "carry_out": "operator", "console": "admin", "login": None, "health": None}
#: Name, kind, node, state, GiB, CPUs, priority, tags, address, whether declared, whether highly available.
GUESTS = (
    ("minecraft", "vm", "node1", "running", 4, 4, 100, "game", "10.0.0.20", True, True),
    ("website", "container", "node1", "running", 0.5, 1, 50, "web", "10.0.0.21", True, True),
    ("mail", "vm", "node1", "running", 4, 2, 200, "infra mail", "10.0.0.22", True, True),
    ("wiki", "container", "node2", "running", 1, 2, 20, "web", "10.0.0.23", True, True),
    ("gitea", "vm", "node2", "running", 6, 4, 80, "infra web", "10.0.0.24", True, True),
    ("runner", "vm", "node2", "running", 8, 8, 0, "ci", "10.0.0.25", False, False),
    ("irc", "container", "node3", "running", 0.25, 1, 10, "", "10.0.0.26", True, True),
    ("ldap", "vm", "node3", "running", 2, 2, 300, "infra", "10.0.0.27", True, True),
    ("factorio", "vm", "node3", "moving", 6, 4, 60, "game", "10.0.0.28", True, True),
    ("archive", "container", None, "stopped", 2, 1, 0, "infra", "10.0.0.29", True, False),
    ("scratch", "vm", None, "failed", 2, 2, 0, "", "10.0.0.30", False, True),
)


def stamp(seconds_ago: float = 0) -> str:
    """A moment as the steward tells it."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _guest(row: tuple[Any, ...]) -> dict[str, Any]:
    name, kind, node, state, memory, vcpus, priority, tags, address, declared, ha = row
    return {
        "name": name,
        "kind": kind,
        "state": state,
        "node": node,
        "wanted": "stopped" if state == "stopped" else "started",
        "memory": int(memory * GIB),
        "vcpus": vcpus,
        "priority": priority,
        "tags": tags.split(),
        "addresses": [address],
        "declared": declared,
        "storage": "local",
        "problem": "its disk is not there" if state == "failed" else None,
        "ha": ha,
    }


def _entry(number: int) -> dict[str, Any]:
    """An entry of the journal: of every seventh move that it failed, of every twentieth a proof of fencing."""
    began = 3600 * 9 * number + 700
    base = {"id": f"e{number:04}", "started": stamp(began), "ended": stamp(began - 4)}
    if number % 20 == 19:
        return {**base, "kind": "proof", "node": f"node{number % 3 + 1}", "result": "fenced", "seconds": 2.2}
    guest = GUESTS[number * 5 % 9]
    way = {"guest": guest[0], "kind": guest[1], "from": f"node{number % 3 + 1}", "to": f"node{(number + 1) % 3 + 1}"}
    if number % 7 == 3:
        return {**base, **way, "result": "failed", "reason": "node2 has not enough memory: 1.5 GiB free, 4 GiB needed"}
    pause = (38 + number * 37 % 60) if guest[1] == "vm" else 700 + number * 131 % 900
    forecast = {"pause": (45 if guest[1] == "vm" else 900) / 1000, "seconds": 6.0}
    return {**base, **way, "result": "moved", "downtime_ms": pause, "seconds": 4.1, "forecast": forecast}


def _failover() -> dict[str, Any]:
    """A node that a drill took the power of."""
    line: list[tuple[str, str | None, float]] = [("lost", None, 0.0), ("noticed", None, 1.9), ("fenced", None, 2.6)]
    line += [("started", "minecraft", 3.1), ("answered", "minecraft", 6.8)]
    steps = [{"what": what, "guest": guest, "seconds": at, "at": stamp(7200 - at)} for what, guest, at in line]
    text = "node3 was lost at 10:00:02 UTC and node1 cut its power; its guests run again: minecraft on node1."
    return {"id": "f1", "node": "node3", "text": text, "drill": "power", "steps": steps}


class Played:
    """The steward's verbs on a cluster in memory. ``moved_on`` makes the next plan out of date, ``quorum`` is had."""

    def __init__(self) -> None:
        self.guests = [_guest(row) for row in GUESTS]
        self.standby: set[str] = set()
        self.operations: list[dict[str, Any]] = []
        self.plans: dict[str, dict[str, Any]] = {}
        self.carried_out: list[str] = []
        self.quorum, self.moved_on, self.calm = True, False, False

    def answer(self, verb: str, arguments: dict[str, Any], credential: str | None) -> dict[str, Any]:
        """The line that the steward would answer with."""
        needed = NEEDS.get(verb, "viewer")
        role = credential.removeprefix("session-") if credential else None
        if needed and role not in ROLES:
            return _error(401, "not_logged_in", "Nobody is logged in.", "Log in.")
        if needed and role and ROLES.index(role) < ROLES.index(needed):
            return _error(403, "role", f"this takes the role {needed}", "Ask an admin for it.")
        found: dict[str, Any] = getattr(self, f"_{verb}")(arguments, role)
        return found if "error" in found else {"result": found}

    def _login(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        user = given["user"]
        if user not in ROLES or given["password"] != user:
            return _error(
                401,
                "wrong",
                "That user and password are not known here.",
                "Check both; five wrong tries lock an address out for a minute.",
            )
        return {"session": f"session-{user}", **self._whoami({}, user)}

    def _whoami(self, _given: object, role: str) -> dict[str, Any]:
        return {"user": role, "role": role, "expires": stamp(-28800), "kind": "session"}

    def _logout(self, _given: object, _role: object) -> dict[str, Any]:
        return {}

    def _health(self, _given: object, _role: object) -> dict[str, Any]:
        return {"healthy": True, "quorum": self.quorum, "node": "node2"}

    def _look(self, _given: object, _role: object) -> dict[str, Any]:
        self._advance()
        moving = (
            []
            if self.calm
            else [
                {"id": "m1", "guest": "factorio", "from": "node3", "to": "node2", "since": stamp(4), "progress": 0.62}
            ]
        )
        cluster = {
            "name": "society",
            "quorum": self.quorum,
            "epoch": self._epoch(),
            "served_by": "node2",
            "paused": False,
            "partial": None,
        }
        return {
            "cluster": cluster,
            "problems": [] if self.calm else self._problems(),
            "nodes": [self._node(f"node{n}") for n in (1, 2, 3)],
            "guests": self.guests,
            "moves": moving,
            "operations": self.operations,
            "declaration": {"commit": "3f2c1a9d4e5b6071", "dirty": False, "at": stamp(600), "drift": {}, "unknown": ""},
        }

    def _problems(self) -> list[dict[str, str]]:
        return [
            {"text": "The fencing of node3 was last proven 94 days ago.", "severity": "warning",
             "remedy": "Prove it again at a quiet hour: ansible-playbook cspp.drover.fencing -e fencing_prove=node3"},
            {"text": "scratch does not start on any node: its disk is not there.", "severity": "error",
             "remedy": "Restore its disk from a backup, or stop it until then."},
        ]  # fmt: skip

    def _node(self, name: str) -> dict[str, Any]:
        here = [guest for guest in self.guests if guest["node"] == name]
        return {
            "name": name,
            "state": "standby" if name in self.standby else "online" if self.quorum or name == "node2" else "offline",
            "address": f"192.0.2.{name[-1]}",
            "memory": {"total": 20 * GIB, "promised": sum(guest["memory"] for guest in here)},
            "cpus": {"total": 16, "promised": sum(guest["vcpus"] for guest in here)},
            "guests": len(here),
            "fencing": {
                "devices": [f"ipmi-{name}"],
                "proof": stamp(86400 * (94 if name == "node3" else 12)),
                "problem": None,
            },
        }

    def _epoch(self) -> str:
        return f"0.{len(self.carried_out)}.{int(self.moved_on)}"

    def _advance(self) -> None:
        """One step of what is in progress."""
        for operation in self.operations:
            waiting = [step for step in operation["steps"] if step["state"] == "running"]
            if operation["state"] != "running":
                continue
            if waiting:
                waiting[0]["state"] = "done"
                self._named(waiting[0]["guest"])["node"] = waiting[0]["to"]
            if len(waiting) <= 1:
                operation.update(
                    state="done", ended=stamp(), message=f"{operation['subject']} is empty: it may be switched off."
                )

    def _named(self, name: str) -> dict[str, Any]:
        return next(guest for guest in self.guests if guest["name"] == name)

    def _guest(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        guest = self._named(given["name"])
        where = [
            {"node": "node1", "ok": True, "why": "It has room: 11.5 GiB are free."},
            {"node": "node2", "ok": False, "why": "It runs runner, from which this guest is to be kept apart."},
            {"node": "node3", "ok": True, "why": "It has room, and less of it than node1."},
        ]
        definition = {
            "kind": guest["kind"],
            "vcpus": guest["vcpus"],
            "memory": "4GiB",
            "disks": [{"size": "20GiB", "image": "debian-13"}],
        }
        moves = [one for one in map(_entry, range(60)) if one.get("guest") == guest["name"]]
        return {"guest": {**guest, "definition": definition, "where": where, "moves": moves}}

    def _journal(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        return {"entries": [_entry(number) for number in range(60)][: given.get("limit", 100)]}

    def _failovers(self, _given: object, _role: object) -> dict[str, Any]:
        return {"failovers": [_failover()]}

    def _operations(self, _given: object, _role: object) -> dict[str, Any]:
        return {"operations": self.operations}

    def _plan(self, given: dict[str, Any], role: object) -> dict[str, Any]:
        action, subject = given["action"], given["subject"]
        here = [guest for guest in self.guests if guest["node"] == subject] if action == "drain" else []
        if action == "migrate":
            here = [self._named(subject)]
        moves = []
        for order, guest in enumerate(here, 1):
            live = guest["kind"] == "vm"
            to = given.get("target") or ("node2" if self.moved_on else "node3")
            forecast = {"pause": 0.042, "seconds": 6.5} if live else {"pause": 0.9, "seconds": 3.0}
            moves.append(
                {
                    "guest": guest["name"],
                    "from": guest["node"],
                    "to": to,
                    "order": order,
                    "forecast": forecast,
                    "how": "live" if live else "restart",
                }
            )
        plan = {
            "id": f"p{len(self.plans) + 1}", "epoch": self._epoch(),
            "action": action, "subject": subject, "moves": moves,
            "stops": [{"guest": subject, "why": "is what you ask for"}] if action == "stop" else [],
            "stays": [],
            "unplaced_after": [{"node": "node3", "guests": ["runner", "mail"]}] if action == "drain" else [],
            "notes": ["No guest of higher priority waits for one of lower."] if moves else [],
            "play": f"ansible-playbook cspp.drover.maintenance -e node={subject}", "role": "operator", "refused": None,
            "curl": f"curl -X POST https://console.example.org:8443/api/v1/nodes/{subject}/{action}",
            "yaml": f"- cspp.drover.node_maintenance:\n    node: {subject}\n    state: {action}\n",
        }  # fmt: skip
        self.plans[plan["id"]] = plan
        return {"plan": plan}

    def _carry_out(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        plan = self.plans[given["id"]]
        if plan["epoch"] != self._epoch():
            new = self._plan({**plan, "target": None}, role)["plan"]
            return {**_error(409, "stale_plan", "The cluster has moved on since.", "Read the new plan."), "plan": new}
        self.carried_out.append(given["id"])
        if plan["action"] in ("drain", "return"):
            (self.standby.add if plan["action"] == "drain" else self.standby.discard)(plan["subject"])
        steps = [
            {
                "text": f"{move['guest']} moves to {move['to']}",
                "state": "running",
                "guest": move["guest"],
                "to": move["to"],
            }
            for move in plan["moves"]
        ]
        operation = {
            "id": f"o{len(self.operations) + 1}", "verb": plan["action"], "subject": plan["subject"],
            "by": role, "from": "192.0.2.99", "since": stamp(), "state": "running", "ended": None,
            "steps": steps, "message": "", "remedy": "",
        }  # fmt: skip
        self.operations.insert(0, operation)
        return {"operation": operation}

    def _console(self, _given: object, _role: object) -> dict[str, Any]:
        return {}


def _error(status: int, code: str, message: str, remedy: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "remedy": remedy, "status": status}}
