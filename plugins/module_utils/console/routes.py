# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API does: each operation is one verb of the steward, asked on behalf of whoever sent the request."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from starlette.responses import JSONResponse, PlainTextResponse

from . import documents
from .access import Anybody, Known, forget, remember
from .documents import Change, Login, Move, Name, Nothing, Plan, Propose, Short
from .metrics import exposition
from .new_guests import new_guests
from .operations import Key, Operations
from .refusal import Refusal
from .sign_on import sign_on
from .steward import Steward
from .text import overview

__all__ = ["routes"]

#: Of an operation, a plan or an entry of the journal.
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:~-]{1,4096}$")]
Limit = Annotated[int, Query(ge=1, le=1000)]
MaybeName = Annotated[Name | None, Query()]
#: A moment or an entry's id.
Before = Annotated[Short | None, Query()]

_TEXT: dict[int | str, Any] = {
    200: {"model": documents.Look, "content": {"text/plain": {"schema": {"type": "string"}}}}
}
_METRICS: dict[int | str, Any] = {
    200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
_STALE: dict[int | str, Any] = {
    409: {"model": documents.StalePlan, "description": "The cluster has moved on: the plan as it would be now"}
}
_FORGE: dict[int | str, Any] = {
    404: {"model": documents.Failure, "description": "There is no such guest, or no forge is declared"},
    409: {"model": documents.Failure, "description": "The file says so already, or the branch says something else"},
    503: {"model": documents.Failure, "description": "The forge does not do it, or as elsewhere"},
}


def routes(steward: Steward) -> Operations:
    """The operations that are answered at once."""
    api = Operations()
    _session(api, steward)
    sign_on(api, steward, _session_shown)
    _looking(api, steward)
    _measured(api, steward)
    _acting(api, steward)
    _planning(api, steward)
    new_guests(api, steward)
    return api


def _session(api: Operations, steward: Steward) -> None:
    @api.operation("POST", "/session", "nobody", documents.Session)
    async def log_in(login: Login, caller: Anybody) -> Response:
        said = await steward.ask("login", caller, user=login.user, password=login.password)
        return _session_shown(said)

    @api.operation("GET", "/session", "viewer", documents.Session)
    async def who_am_i(caller: Known) -> Response:
        return _session_shown(await steward.ask("whoami", caller))

    @api.operation("DELETE", "/session", "viewer", None, status=204)
    async def log_out(caller: Known, everywhere: bool = False) -> Response:
        response = Response(status_code=204)
        await steward.ask("logout", caller, everywhere=everywhere)
        forget(response)
        return response


def _looking(api: Operations, steward: Steward) -> None:
    @api.operation("GET", "/cluster", "viewer", None, also=_TEXT)
    async def cluster(request: Request, caller: Known) -> Response:
        look = await steward.ask("look", caller)
        if request.headers.get("accept", "").startswith("text/plain"):
            return PlainTextResponse(overview(look))
        return JSONResponse(look)

    @api.operation("GET", "/guests", "viewer", None)
    async def guests(caller: Known) -> Response:
        return JSONResponse({"guests": (await steward.ask("look", caller))["guests"]})

    @api.operation("GET", "/guests/{name}", "viewer", documents.Shown)
    async def guest(name: Name, caller: Known) -> Response:
        return JSONResponse(await steward.ask("guest", caller, name=name))

    @api.operation("GET", "/operations", "viewer", documents.Operations)
    async def operations(caller: Known, limit: Limit = 100) -> Response:
        return JSONResponse(await steward.ask("operations", caller, limit=limit))

    @api.operation("GET", "/operations/{id}", "viewer", documents.Carried)
    async def operation(id: Id, caller: Known) -> Response:
        return JSONResponse(await steward.ask("operation", caller, id=id))

    @api.operation("GET", "/journal", "viewer", documents.History)
    async def journal(
        caller: Known, guest: MaybeName = None, node: MaybeName = None, limit: Limit = 100, before: Before = None
    ) -> Response:
        asked = await steward.ask("journal", caller, guest=guest, node=node, limit=limit, before=before)
        return JSONResponse(asked)

    @api.operation("GET", "/failovers", "viewer", None)
    async def failovers(caller: Known, limit: Limit = 20) -> Response:
        return JSONResponse(await steward.ask("failovers", caller, limit=limit))

    @api.operation("GET", "/health", "nobody", documents.Health)
    async def health(caller: Anybody) -> Response:
        said = await steward.ask("health", caller)
        if not said.get("healthy"):
            remedy = "Look at its log on this node: journalctl -u drover-steward."
            raise Refusal(503, "unhealthy", "the steward of this node cannot log anybody in", remedy=remedy)
        return JSONResponse(said)

    @api.operation("GET", "/metrics", "viewer", None, also=_METRICS)
    async def metrics(caller: Known) -> Response:
        numbers = await steward.ask("metrics", caller)
        return PlainTextResponse(exposition(numbers), media_type="text/plain; version=0.0.4")


def _measured(api: Operations, steward: Steward) -> None:
    @api.operation("GET", "/nodes/{name}/load", "viewer", documents.NodeLoad)
    async def node_load(name: Name, caller: Known) -> Response:
        return JSONResponse(await steward.ask("node_load", caller, node=name))

    @api.operation("GET", "/nodes/{name}/hardware", "viewer", documents.Hardware)
    async def hardware(name: Name, caller: Known) -> Response:
        return JSONResponse(await steward.ask("hardware", caller, node=name))

    @api.operation("GET", "/guests/{name}/load", "viewer", documents.GuestLoad)
    async def guest_load(name: Name, caller: Known) -> Response:
        return JSONResponse(await steward.ask("guest_load", caller, guest=name))


def _acting(api: Operations, steward: Steward) -> None:
    async def done(verb: str, caller: Known, key: str, **arguments: Any) -> Response:
        return JSONResponse(await steward.ask(verb, caller, idempotency_key=key, **arguments), 202)

    @api.operation("POST", "/guests/{name}/start", "operator", documents.Carried, status=202)
    async def start(name: Name, caller: Known, key: Key, _body: Nothing | None = None) -> Response:
        return await done("start", caller, key, guest=name)

    @api.operation("POST", "/guests/{name}/stop", "operator", documents.Carried, status=202)
    async def stop(name: Name, caller: Known, key: Key, _body: Nothing | None = None) -> Response:
        return await done("stop", caller, key, guest=name)

    @api.operation("POST", "/guests/{name}/migrate", "operator", documents.Carried, status=202)
    async def migrate(name: Name, caller: Known, key: Key, move: Move | None = None) -> Response:
        return await done("migrate", caller, key, guest=name, to=move.to if move else None)

    @api.operation("POST", "/nodes/{name}/drain", "operator", documents.Carried, status=202)
    async def drain(name: Name, caller: Known, key: Key, _body: Nothing | None = None) -> Response:
        return await done("drain", caller, key, node=name)

    @api.operation("POST", "/nodes/{name}/return", "operator", documents.Carried, status=202)
    async def bring_back(name: Name, caller: Known, key: Key, _body: Nothing | None = None) -> Response:
        return await done("return", caller, key, node=name)


def _planning(api: Operations, steward: Steward) -> None:
    # It changes nothing, and yet takes a key: clients send one with every request that is no GET.
    @api.operation("POST", "/plans", "operator", documents.Planned)
    async def plan(asked: Plan, caller: Known, key: Key) -> Response:
        return JSONResponse(await steward.ask("plan", caller, **asked.model_dump()))

    @api.operation("POST", "/guests/{name}/proposal", "operator", documents.Proposal)
    async def propose(name: Name, caller: Known, key: Key, change: Change) -> Response:
        said = await steward.ask("propose", caller, idempotency_key=key, guest=name, **change.model_dump())
        return JSONResponse(said)

    @api.operation("POST", "/guests/{name}/merge-request", "operator", documents.MergeRequested, also=_FORGE)
    async def merge_request(name: Name, caller: Known, key: Key, wish: Propose) -> Response:
        said = await steward.ask("merge_request", caller, idempotency_key=key, guest=name, **wish.model_dump())
        return JSONResponse(said)

    @api.operation("POST", "/plans/{id}/carry-out", "operator", documents.Carried, status=202, also=_STALE)
    async def carry_out(id: Id, caller: Known, key: Key, _body: Nothing | None = None) -> Response:
        return JSONResponse(await steward.ask("carry_out", caller, idempotency_key=key, id=id), 202)


def _session_shown(said: dict[str, Any]) -> Response:
    """Who is logged in; the session itself goes into the cookie, and nowhere that a script can read."""
    response = JSONResponse({name: said.get(name) for name in ("user", "role", "expires")})
    if session := said.get("session"):
        remember(response, session)
    return response
