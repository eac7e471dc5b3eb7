# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Consoles of guests through the console's address, wherever the guests are."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

# Not its client of threads: two of them use one TLS connection at the same time, which Python 3.11 does not bear.
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ..lab import Lab
from ..plays import succeed
from .reaching import PORT, TOKEN, console_address

pytestmark = pytest.mark.stage("console")

#: Seconds for what is typed to be answered, and for a console to be there again after a move.
PATIENCE = 30.0


@asynccontextmanager
async def console(path: str) -> AsyncIterator[ClientConnection]:
    """A guest's console that is connected to the guest, tried again as the page does until it is."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"wss://{console_address()}:{PORT}/api/v1/guests/{path}"
    until = time.monotonic() + PATIENCE
    while True:
        async with connect(url, ssl=context, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as found:
            try:
                assert json.loads(await _next(found)) == {"open": True}
            except ConnectionClosed as over:
                assert time.monotonic() < until, over
                await asyncio.sleep(0.5)
                continue
            yield found
            return


async def _next(found: ClientConnection) -> str | bytes:
    return await asyncio.wait_for(found.recv(), PATIENCE)


async def answered(found: ClientConnection, text: str) -> None:
    """Wait until the console shows this."""
    shown = b""
    async with asyncio.timeout(PATIENCE):
        while text.encode() not in shown:
            said = await found.recv()
            shown += said if isinstance(said, bytes) else b""


async def moved(guest: str) -> None:
    await asyncio.to_thread(succeed, "migrate", guest=guest)


def test_a_terminal_is_where_its_container_is(lab: Lab) -> None:
    before = lab.where("web")

    async def story() -> None:
        async with console("web/terminal") as found:
            await found.send(json.dumps({"resize": [101, 37]}))
            await found.send(b"stty size; echo $((6 * 7))-$(hostname)\n")
            await answered(found, "37 101")
            await answered(found, "42-web")
            await moved("web")
            with pytest.raises(ConnectionClosed) as over:
                while True:
                    await _next(found)
            assert over.value.rcvd is not None and over.value.rcvd.code == 4503
        assert lab.where("web") != before
        async with console("web/terminal") as found:
            await found.send(b"echo $((6 * 7))-again\n")
            await answered(found, "42-again")

    asyncio.run(story())


def test_a_shell_outlives_who_looks() -> None:
    async def story() -> None:
        async with console("web/terminal") as found:
            await found.send(b"kept=here; echo set-$((1 + 1))\n")
            await answered(found, "set-2")
        async with console("web/terminal") as found:
            await found.send(b"echo still-$kept; exit\n")
            await answered(found, "still-here")

    asyncio.run(story())


def test_a_serial_port_is_open_and_follows_its_vm() -> None:
    async def story() -> None:
        for _time in range(2):
            async with console("game/serial") as found:
                await found.send(b"\n")
            await moved("game")

    asyncio.run(story())
