# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The played cluster as a steward: the real protocol on a real socket, with terminals and a screen."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.core import frames
from ansible_collections.cspp.drover.plugins.module_utils.core.unix_socket import listen
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.plugins.module_utils.steward.wire import parse
from ansible_collections.cspp.drover.tests.unit.console.played import Played, credential

__all__ = ["PlayedSteward", "credential"]


class PlayedSteward:
    """Listens on a socket until it is closed. ``asked`` are the requests, as they came."""

    def __init__(self, socket: Path, played: Played | None = None) -> None:
        self.played = played or Played(calm=True)
        self.asked: list[dict[str, Any]] = []
        self._socket = socket
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> PlayedSteward:
        self._server = await asyncio.start_unix_server(self._serve, sock=listen(self._socket), limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
            self._socket.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What Starlette's client of tests calls itself.
        line = (await reader.readline()).replace(b'"testclient"', b'"127.0.0.1"')
        self.asked.append(json.loads(line))
        request = parse(line)
        try:
            answer: dict[str, Any] = {"result": self.played.answer(request)}
        except Trouble as trouble:
            answer = {"error": trouble.as_dict(), **trouble.beside}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        if request.verb == "console" and "result" in answer:
            guest, kind = request.arguments["guest"], request.arguments["kind"]
            with suppress(asyncio.IncompleteReadError, OSError):
                if kind == "vnc":
                    await _screen(reader, writer, guest)
                else:
                    await self._terminal(reader, writer, guest)
        writer.close()

    async def _terminal(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: str) -> None:
        """A terminal that repeats what is typed, words about it too, and shows what it has shown to who comes back.
        "!" ends it as a guest's move does, "~" as the end of its shell does."""

        def show(text: bytes) -> None:
            self.played.shown[guest] = self.played.shown.get(guest, b"") + text
            writer.write(frames.pack(frames.BYTES, text))

        if before := self.played.shown.get(guest):
            writer.write(frames.pack(frames.CONTROL, json.dumps({"replay": len(before)}).encode()))
            writer.write(frames.pack(frames.BYTES, before))
        else:
            show(f"\x1b[32mroot@{guest}\x1b[0m:~# ".encode())
        while True:
            kind, data = await _message(reader)
            if kind == frames.CONTROL:
                writer.write(frames.pack(kind, data))
            elif data in (b"!", b"~"):
                self.played.shown.pop(guest)
                moved = frames.closing(frames.AGAIN, f"{guest} has moved on")
                writer.write(moved if data == b"!" else frames.closing(frames.ENDED, "The shell has ended."))
                return
            else:
                show(data.replace(b"\r", b"\r\n"))
            await writer.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind, length = frames.HEAD.unpack(await reader.readexactly(frames.HEAD.size))
    return kind, await reader.readexactly(length)


async def _screen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: str) -> None:
    """A screen of 64 by 48 in green, by the RFB protocol 3.8 (RFC 6143) without a password; F1 ends the connection."""
    buffer = b""

    def show(data: bytes) -> None:
        writer.write(frames.pack(frames.BYTES, data))

    async def take(count: int) -> bytes:
        nonlocal buffer
        while len(buffer) < count:
            buffer += (await _message(reader))[1]
        taken, buffer = buffer[:count], buffer[count:]
        return taken

    show(b"RFB 003.008\n")
    await take(12)
    show(b"\x01\x01")
    await take(1)
    show(bytes(4))
    await take(1)
    form = struct.pack("!BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    show(struct.pack("!HH", 64, 48) + form + struct.pack("!I", len(guest)) + guest.encode())
    while True:
        match (await take(1))[0]:
            case 2:
                count = int.from_bytes((await take(3))[1:])
                await take(4 * count)
            case 3:
                await take(9)
                # Blue, green, red and a byte that means nothing, as noVNC asks for red in the lowest.
                show(struct.pack("!BBHHHHHi", 0, 0, 1, 0, 0, 64, 48, 0) + b"\x00\xc8\x00\x00" * (64 * 48))
            case 4:
                if (await take(7))[3:] == (0xFFBE).to_bytes(4):
                    return
            case other:
                await take({0: 19, 5: 5}[other])
        await writer.drain()
