# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate that every request passes: who asks too often, too much, in no JSON or for another page, goes no further.

Every answer leaves with the headers that keep a browser from doing with it what it was not made for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.network import plain
from .buckets import Buckets
from .origin import SAFE, foreign
from .refusal import Refusal

__all__ = ["MOST_BYTES", "Gate", "address_of", "refuse"]

#: Bytes of a body.
MOST_BYTES = 256 << 10
_TOO_LARGE = f"the request's body is larger than {MOST_BYTES >> 10} KiB"
#: Requests of one address, at once and a second. Behind one address may be many people, and a page with its console is
#: some 110 files, so a file is a part of a request.
_BURST, _RATE, _FILE = 400, 40, 0.1
#: WebSocket's word for what the server does not like.
_POLICY_VIOLATION = 1008


class Gate:
    """ASGI middleware around everything that the console serves. ``headers`` go with every answer."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str], buckets: Buckets | None = None) -> None:
        self._app = app
        self._headers = dict(headers)
        self._buckets = buckets or Buckets(_BURST, _RATE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._judge(scope)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.cause[:120]})
            else:
                await refuse(refusal)(scope, receive, self._marked(send))
            return
        body = _Body(receive) if scope["type"] == "http" else receive
        await self._app(scope, body, self._marked(send))

    def _judge(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if not self._buckets.take(address_of(scope), 1.0 if scope["path"].startswith("/api/") else _FILE):
            raise Refusal(429, "too_often", "this address asks too often")
        websocket = scope["type"] == "websocket"
        if not websocket and scope["method"] in SAFE:
            return
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], str(scope["scheme"]))
        if (websocket or "authorization" not in headers or "cookie" in headers) and (why := foreign(headers, scheme)):
            raise Refusal(
                403, "foreign_origin", f"the request is refused: {why}", remedy="Act from the console's page."
            )
        if websocket:
            return
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > MOST_BYTES:
            raise _too_large()
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if (length != "0" or "transfer-encoding" in headers) and kind != "application/json":
            raise Refusal(415, "no_json", f"the request's body is {kind or 'of no type'}, not application/json")

    def _marked(self, send: Send) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return marked


class _Body:
    """What a client sends, as long as it is no more than a request may be, whatever its headers promised."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > MOST_BYTES:
            # In the framework's own words, which alone get past those that read the body.
            raise HTTPException(413, _TOO_LARGE)
        return message


def refuse(refusal: Refusal) -> JSONResponse:
    """The answer that tells of a refusal."""
    return JSONResponse(refusal.document(), refusal.status, refusal.headers)


def address_of(scope: Mapping[str, Any]) -> str:
    """The address that a request comes from."""
    return plain((scope.get("client") or ("",))[0])


def _too_large() -> Refusal:
    return Refusal(413, "too_large", _TOO_LARGE)
