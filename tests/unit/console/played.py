# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster of three nodes in memory, for all tests of the console: it answers the steward's verbs, in the shape of the
real one, and lets nobody do or say what the real one's list of verbs does not have.

A drain moves a guest each time that somebody looks, so that who watches sees them leave one after another.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import InvalidValue
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import parse_size
from ansible_collections.cspp.drover.plugins.module_utils.declaration.yaml_patch import fragment, patch
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import ROLES, allows
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import (
    Trouble,
    forbidden,
    invalid,
    not_logged_in,
    unknown,
)
from ansible_collections.cspp.drover.plugins.module_utils.steward.verbs import VERBS, arguments
from ansible_collections.cspp.drover.plugins.module_utils.steward.wire import Request
from ansible_collections.cspp.drover.tests.unit.console import loaded
from ansible_collections.cspp.drover.tests.unit.console.at_forge import AtForge
from ansible_collections.cspp.drover.tests.unit.console.by_provider import ByProvider
from ansible_collections.cspp.drover.tests.unit.console.with_offers import WithOffers

GIB = 1 << 30
#: When it all began: whoever looks twice sees the same.
_BEGAN = datetime.now(UTC)
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
    moment = _BEGAN - timedelta(seconds=seconds_ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def credential(user: str) -> str:
    """The session of one of the users, who are called as their roles are; of anybody else it is none."""
    return f"session-of-{user}"


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
        "screen": name == "mail",
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


class Seen(AtForge, ByProvider, loaded.Loaded):
    """The cluster as it is told, and who may have it told."""

    def __init__(self, *, calm: bool = False) -> None:
        self.guests = [_guest(row) for row in GUESTS]
        self.standby: set[str] = set()
        self.operations: list[dict[str, Any]] = []
        self.plans: dict[str, dict[str, Any]] = {}
        self.carried_out: list[str] = []
        self.journal = [_entry(number) for number in range(60)]
        self.shown: dict[str, bytes] = {}
        self.quorum, self.moved_on, self.calm = True, False, calm
        self.merge_requests: dict[str, str] = {}
        self._done: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request) -> dict[str, Any]:
        """What comes of a request. Raises Trouble."""
        verb = VERBS.get(request.verb)
        if verb is None:
            raise unknown(f"there is no verb {request.verb}", "Ask for another.")
        role = (request.credential or "").removeprefix("session-of-")
        if verb.role != "nobody" and role not in ROLES[1:]:
            raise not_logged_in()
        if role in ROLES and not allows(role, verb.role):
            raise forbidden(request.verb, role, verb.role)
        given = arguments(request, verb)
        key = given.pop("idempotency_key", None)
        if key in self._done:
            return self._done[key]
        try:
            result: dict[str, Any] = getattr(self, f"_{request.verb}")(given, role)
        except InvalidValue as error:
            raise invalid(error.cause, error.remedy) from error
        if key is not None:
            self._done[key] = result
        return result

    def look(self) -> dict[str, Any]:
        """The cluster as it is."""
        return deepcopy(self._look({}, ""))

    def _login(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        user = given["user"]
        if user not in ROLES[1:] or given["password"] != user:
            remedy = "Check both; five wrong tries lock an address out for a minute."
            raise Trouble("wrong_log_in", 401, "That user and password are not known here.", remedy=remedy)
        return {"session": credential(user), **self._whoami({}, user)}

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
            "guests": [{**one, "load": loaded.of_guest(one) if one["node"] else None} for one in self.guests],
            "moves": moving,
            "operations": self.operations,
            "declaration": {"commit": "3f2c1a9d4e5b6071", "dirty": False, "at": stamp(600), "drift": {}, "unknown": ""},
        }

    def _problems(self) -> list[dict[str, str]]:
        return [
            {"text": "The fencing of node3 was last proven 94 days ago.", "severity": "warning",
             "remedy": "Prove it again at a quiet hour: playbooks/fencing.yml -e prove=true -e node=node3"},
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
            "load": loaded.of_node(name) if self.quorum or name == "node2" else None,
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
        found = [guest for guest in self.guests if guest["name"] == name]
        if not found:
            raise unknown(f"there is no guest {name}", "Look which there are.")
        return found[0]

    def _guest(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        guest = self._named(given["name"])
        where = [
            {"node": "node1", "ok": True, "why": "It has room: 11.5 GiB are free."},
            {"node": "node2", "ok": False, "why": "It runs runner, from which this guest is to be kept apart."},
            {"node": "node3", "ok": True, "why": "It has room, and less of it than node1."},
        ]
        declaration = {
            "kind": guest["kind"],
            "vcpus": guest["vcpus"],
            "memory": f"{guest['memory'] // (1 << 20)}MiB",
            "disks": [{"size": "20GiB", "image": "debian-13", "pool": "/srv/pool"}],
            "ha": {"priority": guest["priority"]},
        }
        moves = [one for one in self.journal if one.get("guest") == guest["name"]]
        more = {"declaration": declaration, "definition": declaration, "editable": ["vcpus", "memory", "ha"]}
        forge = self.forge if guest["declared"] else None
        return {"guest": {**guest, **more, "where": where, "moves": moves, "forge": forge}}

    def _journal(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        found = [one for one in self.journal if given.get("guest") in (None, one.get("guest"))]
        return {"entries": found[: given.get("limit", 100)]}

    def _metrics(self, _given: object, _role: object) -> dict[str, Any]:
        told = {"commit": None, "dirty": None, "at": None, "drift": None, "unknown": "nobody has declared anything"}
        cluster = {"look": {**self.look(), "declaration": told}, "homeless": {}, "usable": []}
        return {"age": {"cluster": 1.0}, "cluster": cluster, "usage": None, "history": None}

    def _failovers(self, _given: object, _role: object) -> dict[str, Any]:
        return {"failovers": [_failover()]}

    def _operations(self, _given: object, _role: object) -> dict[str, Any]:
        return {"operations": self.operations}

    def _operation(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        found = [one for one in self.operations if one["id"] == given["id"]]
        if not found:
            raise unknown(f"there is no operation {given['id']}", "Look which there are.")
        return {"operation": found[0]}


class Played(Seen, WithOffers):
    """The steward's verbs on a cluster in memory. ``moved_on`` makes the next plan out of date, ``quorum`` is had,
    ``calm`` is a cluster where nothing happens by itself; ``shown`` is what each guest's terminal shows."""

    def prepared(self) -> tuple[str, str]:
        """The ids of a plan and of an operation that there are now."""
        plan = self._plan({"action": "start", "subject": "archive"}, "operator")["plan"]
        self.operations.append(operation := self._begun(plan, "admin"))
        return str(plan["id"]), str(operation["id"])

    def _plan(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        action, subject = given["action"], given["subject"]
        if action in ("drain", "return"):
            if subject not in ("node1", "node2", "node3"):
                raise unknown(f"there is no node {subject}", "Look which there are.")
        else:
            guest = self._named(subject)
            if action in ("edit", "release") and not allows(role, "admin"):
                raise forbidden(action, role, "admin")
            if action == "edit" and guest["declared"]:
                raise Trouble("refused", 422, f"{subject} is declared", remedy="Propose the change.")
        plan = self._document(action, subject, given.get("target"), given.get("changes"))
        self.plans[plan["id"]] = plan
        return {"plan": plan}

    def _document(
        self, action: str, subject: str, target: str | None = None, changes: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        moving = [guest for guest in self.guests if guest["node"] == subject] if action == "drain" else []
        if action == "migrate":
            moving = [self._named(subject)]
        moves = [self._move(order, guest, target) for order, guest in enumerate(moving, 1)]
        notes = [f"{key}: becomes {value}" for key, value in (changes or {}).items()]
        return {
            "id": f"p{len(self.plans) + 1}", "epoch": self._epoch(),
            "action": action, "subject": subject, "moves": moves, "changes": changes,
            "stops": [{"guest": subject, "why": "is what you ask for"}] if action == "stop" else [],
            "stays": [],
            "unplaced_after": [{"node": "node3", "guests": ["runner", "mail"]}] if action == "drain" else [],
            "notes": notes + (["No guest of higher priority waits for one of lower."] if moves else []),
            "play": f"ansible-playbook cspp.drover.maintenance -e node={subject}",
            "role": "admin" if action in ("edit", "release") else "operator", "refused": None,
            "curl": f"curl -X POST https://console.example.org:8443/api/v1/nodes/{subject}/{action}",
            "yaml": fragment(subject, changes) if changes
            else f"- cspp.drover.node_maintenance:\n    node: {subject}\n    state: {action}\n",
        }  # fmt: skip

    def _move(self, order: int, guest: dict[str, Any], target: str | None) -> dict[str, Any]:
        live = guest["kind"] == "vm"
        return {
            "guest": guest["name"],
            "from": guest["node"],
            "to": target or ("node2" if self.moved_on else "node3"),
            "order": order,
            "forecast": {"pause": 0.042, "seconds": 6.5} if live else None,
            "how": "live" if live else "restart",
        }

    def _propose(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        guest, changes = self._named(given["guest"])["name"], given["changes"]
        if not changes or "kind" in changes:
            raise invalid("kind is not changed here")
        plan = {name: value for name, value in self._document("edit", guest, None, changes).items() if name != "id"}
        file = given.get("yaml")
        return {"yaml": plan["yaml"], "patch": patch(file, guest, changes) if file else "", "plan": plan}

    def _carry_out(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        plan = self.plans.get(given["id"])
        if plan is None:
            raise unknown("there is no such plan", "Make it anew.")
        if plan["epoch"] != self._epoch():
            new = self._plan({**plan, "target": None}, role)["plan"]
            cause, remedy = "The cluster has moved on since.", "Read the new plan."
            raise Trouble("stale_plan", 409, cause, remedy=remedy, beside={"plan": new})
        self.carried_out.append(given["id"])
        if plan["action"] in ("drain", "return"):
            (self.standby.add if plan["action"] == "drain" else self.standby.discard)(plan["subject"])
        with suppress(KeyError, ValueError):
            self._named(plan["subject"])["memory"] = parse_size((plan["changes"] or {})["memory"])
        operation = self._begun(plan, role)
        self.operations.insert(0, operation)
        return {"operation": operation}

    def _begun(self, plan: dict[str, Any], by: str) -> dict[str, Any]:
        steps = [
            {"text": f"{move['guest']} moves to {move['to']}", "state": "running", **move} for move in plan["moves"]
        ]
        return {
            "id": f"o{len(self.operations) + 1}", "verb": plan["action"], "subject": plan["subject"],
            "by": by, "from": "192.0.2.99", "since": stamp(), "state": "running", "ended": None,
            "steps": steps, "message": "", "remedy": "",
        }  # fmt: skip

    def _do(self, action: str, subject: str, role: str, target: str | None = None) -> dict[str, Any]:
        plan = self._plan({"action": action, "subject": subject, "target": target}, role)["plan"]
        return self._carry_out({"id": plan["id"]}, role)

    def _start(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        return self._do("start", given["guest"], role)

    def _stop(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        return self._do("stop", given["guest"], role)

    def _migrate(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        return self._do("migrate", given["guest"], role, given.get("to"))

    def _drain(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        return self._do("drain", given["node"], role)

    def _return(self, given: dict[str, Any], role: str) -> dict[str, Any]:
        return self._do("return", given["node"], role)

    def _console(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        guest = self._named(given["guest"])
        if given["kind"] == "vnc" and not guest["screen"]:
            raise Trouble("no_console", 409, f"{guest['name']} was started without a screen", remedy="Declare one.")
        return given
