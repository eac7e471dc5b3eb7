# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's screen and terminal: who gets one, and what passes through."""

from __future__ import annotations

from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ansible_collections.cspp.drover.plugins.module_utils.console.app import gated
from ansible_collections.cspp.drover.plugins.module_utils.console.page import Page
from ansible_collections.cspp.drover.plugins.module_utils.console.streams import WEBSOCKETS
from ansible_collections.cspp.drover.plugins.module_utils.core import frames
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward, credential

OWN = {"Sec-Fetch-Site": "same-origin"}


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
def test_another_page_gets_nothing(client: TestClient, path: str, foreign: dict[str, str]) -> None:
    headers = {"Cookie": f"__Host-drover={credential('admin')}", **foreign}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(path.format(name="mail"), headers=headers):
        pass


def test_bytes_and_words_about_them_pass_both_ways(client: TestClient) -> None:
    headers = {"Cookie": f"__Host-drover={credential('operator')}", **OWN}
    # The test client cancels what it leaves.
    with (
        suppress(CancelledError),
        client.websocket_connect("/api/v1/guests/mail/terminal", headers=headers) as websocket,
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
    ],
)
def test_who_is_sent_away_is_told_why(client: TestClient, path: str, typed: bytes, code: int, reason: str) -> None:
    headers = {"Cookie": f"__Host-drover={credential('operator')}", **OWN}
    with client.websocket_connect(f"/api/v1/guests/{path}", headers=headers) as websocket:
        if typed:
            websocket.receive_text()
            websocket.receive_bytes()
            websocket.send_bytes(typed)
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_bytes()
    assert (closed.value.code, closed.value.reason) == (code, reason)
