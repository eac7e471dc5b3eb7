# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's screen and terminal: who gets one, and what passes through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket as Connection

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ansible_collections.cspp.drover.plugins.module_utils.console.app import api, gated
from ansible_collections.cspp.drover.plugins.module_utils.console.page import Page
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.console.streams import WEBSOCKETS
from ansible_collections.cspp.drover.plugins.module_utils.core import frames
from ansible_collections.cspp.drover.plugins.module_utils.core.unix_socket import listen
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward, credential

OWN = {"Sec-Fetch-Site": "same-origin"}
OPERATOR = {"Cookie": f"__Host-drover={credential('operator')}", **OWN}
TERMINAL = "/api/v1/guests/mail/terminal"


@pytest.fixture
def client(www: Path, application: FastAPI, steward: PlayedSteward) -> TestClient:
    assert steward.asked == []
    return TestClient(gated(Page(www), application), base_url="https://console")


@pytest.mark.parametrize("path", WEBSOCKETS)
@pytest.mark.parametrize(
    ("who", "code"),
    [(None, 4401), ("viewer", 4403), ("expired", 4401)],
)
def test_who_may_not_is_told_why(client: TestClient, path: str, who: str | None, code: int) -> None:
    headers = {**OWN, **({"Cookie": f"__Host-drover={credential(who)}"} if who else {})}
    with client.websocket_connect(path.format(name="mail"), headers=headers) as websocket:
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_bytes()
        assert closed.value.code == code


@pytest.mark.parametrize("path", WEBSOCKETS)
@pytest.mark.parametrize("foreign", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_another_page_gets_nothing(
    client: TestClient, steward: PlayedSteward, path: str, foreign: dict[str, str]
) -> None:
    headers = {"Cookie": f"__Host-drover={credential('admin')}", **foreign}
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect(path.format(name="mail"), headers=headers),
    ):
        pass
    assert closed.value.code == 1008
    assert closed.value.reason.startswith("the request is refused: ")
    assert steward.asked == []


def test_bytes_and_words_about_them_pass_both_ways(client: TestClient) -> None:
    # The test client cancels what it leaves.
    with (
        suppress(CancelledError),
        client.websocket_connect(TERMINAL, headers=OPERATOR) as websocket,
    ):
        assert websocket.receive_text() == '{"open": true}'
        assert b"root@mail" in websocket.receive_bytes()
        websocket.send_bytes(b"ls\n")
        assert websocket.receive_bytes() == b"ls\n"
        websocket.send_text('{"resize": [80, 24]}')
        assert websocket.receive_text() == '{"resize": [80, 24]}'


@pytest.mark.parametrize(
    ("path", "typed", "code", "reason"),
    [
        ("website/terminal", b"!", frames.AGAIN, "website has moved on"),
        ("website/terminal", b"~", frames.ENDED, "The shell has ended."),
        ("wiki/vnc", b"", 4409, "wiki was started without a screen. Declare one."),
        ("nobody/terminal", b"", 4404, "there is no guest nobody. Look which there are."),
    ],
)
def test_who_is_sent_away_is_told_why(client: TestClient, path: str, typed: bytes, code: int, reason: str) -> None:
    with client.websocket_connect(f"/api/v1/guests/{path}", headers=OPERATOR) as websocket:
        if typed:
            websocket.receive_text()
            websocket.receive_bytes()
            websocket.send_bytes(typed)
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_bytes()
    assert (closed.value.code, closed.value.reason) == (code, reason)


@contextmanager
def before(socket: Path, attend: Callable[[Connection], None]) -> Iterator[TestClient]:
    """A client of a console before a steward that opens a terminal, and then does this with the connection."""

    def serve() -> None:
        with suppress(OSError):
            connection, _nobody = listener.accept()
            with connection:
                connection.settimeout(5)
                connection.recv(1 << 16)
                connection.sendall(b'{"result": {}}\n')
                attend(connection)

    with listen(socket) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield TestClient(gated(Page(socket.parent), api(Steward(socket))), base_url="https://console")
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    "last",
    [
        b"",
        frames.pack(frames.BYTES, b"hello")[:-1],
        frames.HEAD.pack(frames.BYTES, frames.LONGEST + 1),
        frames.pack(frames.CONTROL, b"\xff"),
        frames.pack(frames.CONTROL, b"{"),
        frames.pack(frames.CONTROL, b"[]"),
        frames.pack(frames.CONTROL, b"[" * 100_000),
    ],
    ids=["nothing", "half of it", "too much", "no text", "no JSON", "no object", "too deep"],
)
def test_a_steward_that_breaks_off_is_told_of(tmp_path: Path, last: bytes) -> None:
    with (
        before(tmp_path / "socket", lambda connection: connection.sendall(last)) as client,
        client.websocket_connect(TERMINAL, headers=OPERATOR) as websocket,
    ):
        assert websocket.receive_text() == '{"open": true}'
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_bytes()
    assert (closed.value.code, closed.value.reason) == (frames.AGAIN, "the steward of this node broke off")


def test_a_window_that_is_closed_leaves_nothing_open(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def attend(connection: Connection) -> None:
        while part := connection.recv(1 << 16):
            heard.append(part)
        heard.append(b"the end")

    with (
        before(tmp_path / "socket", attend) as client,
        client.websocket_connect(TERMINAL, headers=OPERATOR) as websocket,
    ):
        websocket.receive_text()
        websocket.send_bytes(b"ls")
        websocket.close()
    assert heard == [frames.pack(frames.BYTES, b"ls"), b"the end"]


def test_a_dead_steward_is_told_of(tmp_path: Path) -> None:
    client = TestClient(gated(Page(tmp_path), api(Steward(tmp_path / "nowhere"))), base_url="https://console")
    with (
        client.websocket_connect(TERMINAL, headers=OPERATOR) as websocket,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        websocket.receive_bytes()
    assert closed.value.code == 4503
    assert closed.value.reason.startswith("the steward of this node does not answer: ")
