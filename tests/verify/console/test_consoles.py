# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Consoles of guests through the console's address, wherever the guests are."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from ..lab import Lab
from ..plays import succeed
from .reaching import PORT, TOKEN, console_address

pytestmark = pytest.mark.stage("console")

#: Seconds for what is typed to be answered, and for a console to be there again after a move.
PATIENCE = 30.0


@contextmanager
def console(path: str) -> Iterator[Connection]:
    """A guest's console that is connected to the guest, tried again as the page does until it is."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"wss://{console_address()}:{PORT}/api/v1/guests/{path}"
    until = time.monotonic() + PATIENCE
    while True:
        with connect(url, ssl=context, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as found:
            try:
                assert json.loads(found.recv(timeout=PATIENCE)) == {"open": True}
            except ConnectionClosed as over:
                assert time.monotonic() < until, over
                time.sleep(0.5)
                continue
            yield found
            return


def answered(found: Connection, text: str) -> None:
    """Wait until the console shows this."""
    shown, until = b"", time.monotonic() + PATIENCE
    while text.encode() not in shown:
        said = found.recv(timeout=max(0.0, until - time.monotonic()))
        shown += said if isinstance(said, bytes) else b""


def test_a_terminal_is_where_its_container_is(lab: Lab) -> None:
    before = lab.where("web")
    with console("web/terminal") as found:
        found.send(json.dumps({"resize": [101, 37]}))
        found.send(b"stty size; echo $((6 * 7))-$(hostname)\n")
        answered(found, "37 101")
        answered(found, "42-web")
        succeed("migrate", guest="web")
        with pytest.raises(ConnectionClosed) as over:
            while True:
                found.recv(timeout=PATIENCE)
        assert over.value.rcvd is not None and over.value.rcvd.code == 4503
    assert lab.where("web") != before
    with console("web/terminal") as found:
        found.send(b"echo $((6 * 7))-again\n")
        answered(found, "42-again")


def test_a_shell_outlives_who_looks(lab: Lab) -> None:
    with console("web/terminal") as found:
        found.send(b"kept=here; echo set-$((1 + 1))\n")
        answered(found, "set-2")
    with console("web/terminal") as found:
        found.send(b"echo still-$kept; exit\n")
        answered(found, "still-here")


def test_a_serial_port_is_open_and_follows_its_vm(lab: Lab) -> None:
    for _time in range(2):
        with console("game/serial") as found:
            found.send(b"\n")
        succeed("migrate", guest="game")
