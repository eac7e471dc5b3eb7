# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes on for as long as the client wants: events for watchers, and the screen or terminal of a guest."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Header, WebSocket, WebSocketDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..core import frames
from .access import Known, anybody
from .collector import Collector
from .operations import PREFIX, Operations, Role
from .refusal import Refusal
from .steward import Connection, Steward

__all__ = ["WEBSOCKETS", "streams"]

#: The WebSockets, and the role that each takes.
WEBSOCKETS: dict[str, Role] = {f"{PREFIX}/guests/{{name}}/{kind}": "operator" for kind in ("vnc", "serial", "terminal")}
#: An application's own close codes begin here; ours go on with HTTP's status.
_OWN_CODES = 4000
#: Bytes of the words with which a WebSocket is closed.
_WORDS = 120
#: Bytes that wait for a slow browser.
_WAITING = 1 << 16

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)]
_EVENTS: dict[int | str, Any] = {
    200: {"description": "Server-sent events: cluster, journal, trouble", "content": {"text/event-stream": {}}}
}


class _Events(StreamingResponse):
    """Events until the client leaves.

    Since ASGI 2.4 a server is to fail when it sends to a client who has left, and Starlette counts on that. uvicorn
    says that it is of 2.4 and drops what it is given: the stream would go on, for nobody and for ever. By the version
    before, Starlette listens for the leaving itself.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = {**scope, "asgi": {**scope.get("asgi", {}), "spec_version": "2.3"}}
        await super().__call__(before, receive, send)


def streams(steward: Steward, collector: Collector) -> Operations:
    """The operations that go on."""
    api = Operations()

    @api.operation("GET", "/events", "viewer", None, also=_EVENTS)
    async def events(caller: Known, last: LastEventId = None) -> _Events:
        await steward.ask("whoami", caller)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return _Events(collector.watch(caller, last), media_type="text/event-stream", headers=headers)

    for path in WEBSOCKETS:
        api.add_api_websocket_route(path, _console(steward, path.rpartition("/")[2]))
    return api


def _console(steward: Steward, kind: str) -> Any:
    async def console(websocket: WebSocket, name: str) -> None:
        # Only what was accepted can tell a script why it is closed.
        await websocket.accept()
        code, reason = frames.AGAIN, ""
        try:
            caller = anybody(websocket)
            asked = {"guest": name, "kind": kind}
            async with steward.connection("console", caller, asked, _WAITING) as (connection, _):
                # A screen says so by its own first words, and knows no others.
                if kind != "vnc":
                    await websocket.send_text('{"open": true}')
                code, reason = await _joined(websocket, connection)
        except Refusal as refusal:
            code, reason = _OWN_CODES + refusal.status, f"{refusal.cause}. {refusal.remedy}"
        with suppress(RuntimeError):
            await websocket.close(code, reason.encode()[:_WORDS].decode(errors="ignore"))

    return console


async def _joined(websocket: WebSocket, connection: Connection) -> tuple[int, str]:
    """Carry messages both ways until one side ends; the code to close with, and why."""
    reader, writer = connection
    down = asyncio.create_task(_down(reader, websocket))
    up = asyncio.create_task(_up(websocket, writer))
    done, rest = await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    return down.result() if down in done else (1000, "")


async def _down(reader: asyncio.StreamReader, websocket: WebSocket) -> tuple[int, str]:
    """From the steward to the client; the code that the steward wants it closed with, and why."""
    with suppress(asyncio.IncompleteReadError, OSError, ValueError, RecursionError, WebSocketDisconnect):
        while True:
            kind, length = frames.HEAD.unpack(await reader.readexactly(frames.HEAD.size))
            if length > frames.LONGEST:
                break
            data = await reader.readexactly(length)
            if kind == frames.BYTES:
                await websocket.send_bytes(data)
                continue
            said = json.loads(data)
            if not isinstance(said, dict):
                break
            if isinstance(said.get("close"), int):
                return int(said["close"]), str(said.get("reason", ""))
            await websocket.send_text(data.decode())
    return frames.AGAIN, "the steward of this node broke off"


async def _up(websocket: WebSocket, writer: asyncio.StreamWriter) -> None:
    """From the client to the steward."""
    with suppress(OSError):
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            data = message.get("bytes") or b"" if text is None else text.encode()
            writer.write(frames.pack(frames.BYTES if text is None else frames.CONTROL, data))
            await writer.drain()
