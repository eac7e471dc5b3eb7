# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage for the page: the console itself, over TLS, before a steward that plays a cluster of three nodes.

`python -m ansible_collections.cspp.drover.tests.unit.console.page_stage` serves it to look at; users are viewer,
operator and admin, whose passwords are their names.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import uvicorn

from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.service import configuration
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.tests.unit.console.played import Played

WWW = Path(__file__).resolve().parents[3] / "roles/console/files/www"
_HEAD = struct.Struct("!BI")


class Stage:
    """The console at ``address`` while the context lasts; ``played`` is the cluster that it shows."""

    def __init__(self, port: int = 0) -> None:
        self.played = Played()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._socket = folder / "steward"
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        texts = pki.issue(pki.new_authority("console-ca"), "localhost", ["localhost"], ["127.0.0.1"], 1)
        for file, text in zip((key, certificate), texts, strict=True):
            file.write_text(text)
        app = console(WWW, Steward(self._socket))
        config = configuration(app, certificate, key)
        # Its watchers are browsers that are gone.
        config.timeout_graceful_shutdown = 0
        self._server = uvicorn.Server(config)
        self._listening = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def anew(self) -> Stage:
        """The same stage with the cluster as it was at first."""
        self.played = Played()
        return self

    @property
    def address(self) -> str:
        """The page's URL."""
        return f"https://localhost:{self._listening.getsockname()[1]}/"

    async def _serve(self) -> None:
        async with await asyncio.start_unix_server(self._connection, self._socket):
            await self._server.serve([self._listening])

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await reader.readline())
        answer = self.played.answer(asked["verb"], asked["arguments"], asked["credential"])
        writer.write(json.dumps(answer).encode() + b"\n")
        if asked["verb"] == "console" and "result" in answer:
            guest, kind = asked["arguments"]["guest"], asked["arguments"]["kind"]
            with suppress(asyncio.IncompleteReadError, OSError):
                await (_screen if kind == "vnc" else _terminal)(reader, writer, guest)
        writer.close()

    def __enter__(self) -> Stage:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self._server.started, "the console does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._folder.cleanup()


async def _terminal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: str) -> None:
    """A terminal that repeats what is typed; "!" ends the connection as a guest's move does."""

    def show(text: bytes) -> None:
        writer.write(_HEAD.pack(0, len(text)) + text)

    show(f"\x1b[32mroot@{guest}\x1b[0m:~# ".encode())
    while True:
        kind, data = await _frame(reader)
        if kind == 0 and data == b"!":
            return
        if kind == 0:
            show(data.replace(b"\r", b"\r\n"))
        await writer.drain()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return kind, await reader.readexactly(length)


async def _screen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, guest: str) -> None:
    """A screen of 64 by 48 in green, by the RFB protocol 3.8 (RFC 6143) without a password; F1 ends the connection."""
    buffer = b""

    def show(data: bytes) -> None:
        writer.write(_HEAD.pack(0, len(data)) + data)

    async def take(count: int) -> bytes:
        nonlocal buffer
        while len(buffer) < count:
            buffer += (await _frame(reader))[1]
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


def main() -> None:
    """Serve until the standard input ends."""
    with Stage(8481) as stage:
        print(stage.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
