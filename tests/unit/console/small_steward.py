# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A steward that plays a small cluster: the real protocol on a real socket, with three users."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.tests.unit.console.small_cluster import Cluster, Document

__all__ = ["PlayedSteward", "credential"]

_RANKS = ("nobody", "viewer", "operator", "admin")
_ROLES = {
    "login": "nobody",
    "health": "nobody",
    "start": "operator",
    "stop": "operator",
    "migrate": "operator",
    "drain": "operator",
    "return": "operator",
    "plan": "operator",
    "carry_out": "operator",
    "console": "admin",
    "propose": "admin",
}


def credential(user: str) -> str:
    """The session of one of the users, who are called as their roles are."""
    return f"session-of-{user}"


class Refused(DroverError):
    """An error of the protocol, and what goes beside it."""

    def __init__(self, status: int, code: str, message: str, **besides: Any) -> None:
        error = {"code": code, "message": message, "remedy": "Do otherwise.", "status": status}
        super().__init__(message)
        self.document = {"error": error, **besides}


class PlayedSteward:
    """Listens on a socket until it is closed. ``asked`` are the requests, as they came."""

    def __init__(self, socket: Path, cluster: Cluster | None = None) -> None:
        self.cluster = cluster or Cluster()
        self.asked: list[Document] = []
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._answers: dict[str, Document] = {}

    async def __aenter__(self) -> PlayedSteward:
        self._server = await asyncio.start_unix_server(self._serve, self._socket, limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
            self._socket.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        self.asked.append(request)
        try:
            answer: Document = {"result": self.answer(request)}
        except Refused as refused:
            answer = refused.document
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        if request["verb"] == "console" and "result" in answer:
            await self._echo(reader, writer)
        writer.close()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A terminal that says what is typed."""
        while head := await reader.read(5):
            body = await reader.readexactly(int.from_bytes(head[1:], "big"))
            writer.write(head + body)
            await writer.drain()

    def answer(self, request: Document) -> Document:
        verb, given = request["verb"], request["arguments"]
        key = given.pop("idempotency_key", None)
        user = (request["credential"] or "").removeprefix("session-of-")
        rank = _RANKS.index(user) if user in _RANKS[1:] else 0
        need = _RANKS.index(_ROLES.get(verb, "viewer"))
        if need and not rank:
            raise Refused(401, "not_logged_in", "nobody is logged in")
        if rank < need:
            raise Refused(403, "role", f"{verb} takes the role {_RANKS[need]}")
        if key in self._answers:
            return self._answers[key]
        result: Document = getattr(self, f"_{verb}")(user, **given)
        if key:
            self._answers[key] = result
        return result

    def _login(self, _user: str, user: str, password: str) -> Document:
        if user not in _RANKS[1:] or password != user:
            raise Refused(401, "wrong_password", "user or password are wrong")
        return {"session": credential(user), **self._whoami(user)}

    def _logout(self, user: str, everywhere: bool = False) -> Document:
        return {}

    def _whoami(self, user: str) -> Document:
        return {"user": user, "role": user, "expires": "2099-01-01T00:00:00.000Z"}

    def _health(self, _user: str) -> Document:
        return {"healthy": True}

    def _look(self, _user: str) -> Document:
        return self.cluster.look()

    def _failovers(self, _user: str, limit: int = 20) -> Document:
        at = "2026-11-29T10:00:{:02}.000Z".format
        steps = [
            ("lost", None, 0),
            ("noticed", None, 2),
            ("fenced", None, 3),
            ("started", "mail", 4),
            ("answered", "mail", 7),
        ]
        told = [
            {"what": what, "guest": guest, "at": at(second), "seconds": float(second)} for what, guest, second in steps
        ]
        text = "node2 was lost at 10:00:02 UTC and node1 cut its power; its guests run again: mail on node3."
        return {"failovers": [{"id": "lost-1", "node": "node2", "text": text, "drill": "power", "steps": told}][:limit]}

    def _metrics(self, _user: str) -> Document:
        told = {"commit": None, "dirty": None, "at": None, "drift": None, "unknown": "nobody has declared anything"}
        cluster = {"look": {**self.cluster.look(), "declaration": told}, "homeless": {}, "usable": []}
        return {"age": {"cluster": 1.0}, "cluster": cluster, "usage": None, "history": None}

    def _guest(self, _user: str, name: str) -> Document:
        guest = self._known(name)
        where = [{"node": node, "ok": node != "node2", "why": "it has room"} for node in self.cluster.nodes]
        moves = [entry for entry in self.cluster.journal if entry["guest"] == name]
        return {"guest": {**guest, "definition": {"name": name, "kind": guest["kind"]}, "where": where, "moves": moves}}

    def _journal(self, _user: str, limit: int = 100, **only: Any) -> Document:
        found = [entry for entry in self.cluster.journal if only.get("guest") in (None, entry["guest"])]
        return {"entries": found[::-1][:limit]}

    def _operations(self, _user: str, limit: int = 100) -> Document:
        return {"operations": list(self.cluster.operations.values())[-limit:]}

    def _operation(self, _user: str, id: str) -> Document:
        if id not in self.cluster.operations:
            raise Refused(404, "not_found", f"there is no operation {id}")
        return {"operation": self.cluster.operations[id]}

    def _plan(self, _user: str, action: str, subject: str, target: str | None = None) -> Document:
        self._known(subject, node=action in ("drain", "return"))
        return {"plan": self.cluster.plan(action, subject, target)}

    def _carry_out(self, user: str, id: str) -> Document:
        plan = self.cluster.plans.get(id)
        if plan is None:
            raise Refused(404, "not_found", f"there is no plan {id}")
        now = self.cluster.plan(plan["action"], plan["subject"])
        if now["epoch"] != plan["epoch"]:
            raise Refused(409, "stale_plan", "the cluster has moved on since the plan was made", plan=now)
        return {"operation": self.cluster.carry_out(plan, user)}

    def _do(self, user: str, action: str, subject: str, target: str | None = None) -> Document:
        self._known(subject, node=action in ("drain", "return"))
        return {"operation": self.cluster.carry_out(self.cluster.plan(action, subject, target), user)}

    def _start(self, user: str, guest: str) -> Document:
        return self._do(user, "start", guest)

    def _stop(self, user: str, guest: str) -> Document:
        return self._do(user, "stop", guest)

    def _migrate(self, user: str, guest: str, to: str | None = None) -> Document:
        return self._do(user, "migrate", guest, to)

    def _drain(self, user: str, node: str) -> Document:
        return self._do(user, "drain", node)

    def _return(self, user: str, node: str) -> Document:
        return self._do(user, "return", node)

    def _propose(self, _user: str, guest: str, changes: Document) -> Document:
        self._known(guest)
        return {"yaml": json.dumps({"guests": {guest: changes}})}

    def _console(self, _user: str, guest: str, kind: str) -> Document:
        self._known(guest)
        return {}

    def _known(self, name: str, *, node: bool = False) -> Document:
        known = self.cluster.nodes if node else self.cluster.guests
        if name not in known:
            raise Refused(404, "not_found", f"there is no {'node' if node else 'guest'} {name}")
        return known[name]
