# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console before the real steward, on a real socket: every operation of the API, by everybody who might ask."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ansible_collections.cspp.drover.plugins.module_utils.agents import guest_console, terminals
from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import Peer
from ansible_collections.cspp.drover.plugins.module_utils.steward import consoles, server, verbs
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import ROLES
from ansible_collections.cspp.drover.tests.unit.agents.test_terminals import shell
from ansible_collections.cspp.drover.tests.unit.console.operations import bodies, with_names
from ansible_collections.cspp.drover.tests.unit.peer.connections import Ends

from .conftest import House
from .test_roles import CALLERS, RANK, credential

NAMES = {"guests": "mc", "nodes": "n2", "operations": "0" * 32, "plans": "drain~n2~~~0~x"}
BODIES = bodies("mc", "n2", "secret of viewer")


@asynccontextmanager
async def client_of(house: House, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    socket = tmp_path / "door" / "socket"
    threading.Thread(target=server.serve, args=(house.steward.answer, socket), daemon=True).start()
    while not socket.exists():
        await asyncio.sleep(0.005)
    www = tmp_path / "www"
    www.mkdir()
    transport = httpx.ASGITransport(console(www, Steward(socket, patience=10)))
    async with httpx.AsyncClient(transport=transport, base_url="https://console") as client:
        yield client


async def holes(house: House, tmp_path: Path) -> list[str]:
    """Whom the API lets do what they may not, keeps from what they may, or gives no clear answer."""
    found = []
    async with client_of(house, tmp_path) as client:
        for number, (method, path, role) in enumerate(with_names(NAMES)):
            # Its session would be over for what comes after; and what goes on has no answer to judge.
            if method == "DELETE" or path.endswith("/events"):
                continue
            for caller in CALLERS:
                headers = {"Idempotency-Key": f"{number:08}-{CALLERS.index(caller)}"}
                if secret := credential(house, caller):
                    headers["Authorization"] = f"Bearer {secret}"
                writes = (list(house.cluster.writes), len(house.spawned))
                body = BODIES.get(path.removeprefix("/api/v1")) if method == "POST" else None
                status = (await client.request(method, path, headers=headers, json=body)).status_code
                client.cookies.clear()
                allowed = RANK[caller] >= ROLES.index(role)
                refused = 403 if RANK[caller] else 401
                if (status in (401, 403)) is allowed or (not allowed and status != refused) or status >= 500:
                    found.append(f"{method} {path} by {caller}: {status}")
                if not allowed and (list(house.cluster.writes), len(house.spawned)) != writes:
                    found.append(f"{method} {path} by {caller} has changed something")
    return found


def test_nobody_gets_further_than_the_role_goes(house: House, tmp_path: Path) -> None:
    assert asyncio.run(holes(house, tmp_path)) == []


def test_a_hole_is_found(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "allows", lambda role, needed: role != "nobody")
    assert any("drain by viewer: 202" in one for one in asyncio.run(holes(house, tmp_path)))


def test_what_there_is_not_is_told_by_its_name_and_nothing_changes(house: House, tmp_path: Path) -> None:
    names = {"guests": "nobody", "nodes": "nowhere", "operations": "no-operation", "plans": "no-plan"}
    what = {"guests": "guest nobody", "nodes": "node nowhere", "operations": "operation", "plans": "such plan"}

    async def story() -> None:
        async with client_of(house, tmp_path) as client:
            tried = 0
            for number, (method, path, _role) in enumerate(with_names(names)):
                kind = path.split("/")[3]
                if names.get(kind) not in path.split("/"):
                    continue
                tried += 1
                headers = {"Authorization": f"Bearer {house.session('admin')}", "Idempotency-Key": f"{number:08}"}
                body = (
                    BODIES.get(path.removeprefix("/api/v1").replace("/nobody/", "/mc/")) if method == "POST" else None
                )
                answer = await client.request(method, path, headers=headers, json=body)
                error = answer.json()["error"]
                assert (answer.status_code, error["code"]) == (404, "not_found"), path
                # Without a forge, there is nothing to ask it about any guest.
                said = "no forge is declared" if path.endswith("/merge-request") else f"there is no {what[kind]}"
                assert said in error["message"], path
                assert error["remedy"], path
            assert tried >= 12
            assert (house.cluster.writes, house.spawned) == ([], [])

    asyncio.run(story())


def test_a_session_is_begun_and_ended(house: House, tmp_path: Path) -> None:
    async def story() -> None:
        async with client_of(house, tmp_path) as client:
            own = {"Sec-Fetch-Site": "same-origin"}
            body = {"user": "operator", "password": "secret of operator"}
            assert (await client.post("/api/v1/session", json=body, headers=own)).json()["role"] == "operator"
            assert (await client.get("/api/v1/session")).json()["user"] == "operator"
            cookie = dict(client.cookies)
            assert (await client.delete("/api/v1/session", headers=own)).status_code == 204
            # Also for who has kept a copy.
            client.cookies.update(cookie)
            assert (await client.get("/api/v1/session")).status_code == 401

    asyncio.run(story())


def test_a_shell_is_used_through_all_of_it(
    house: House,
    tmp_path: Path,
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a WebSocket by way of the steward and another node's service to a real shell, until the role is lost."""
    monkeypatch.setattr(consoles, "carry", partial(consoles.carry, every=0.05))
    kinds: dict[str, guest_console.Open] = {
        "serial": lambda guest, who: terminals.connection(who, "shell", guest, folder=tmp_path / "run", begin=shell())
    }

    def connect(node: str, asked: Mapping[str, Any]) -> Peer:
        assert (node, asked["guest"], asked["who"]) == ("n2", "mc", "operator")
        there = Peer(ends[0])
        threading.Thread(target=guest_console.service, args=(asked, there, kinds), daemon=True).start()
        return Peer(ends[1])

    house.steward.consoles = consoles.Consoles(house.steward.eyes, connect)
    socket, www = tmp_path / "door" / "socket", tmp_path / "www"
    www.mkdir()
    threading.Thread(target=server.serve, args=(house.steward.answer, socket), daemon=True).start()
    while not socket.exists():
        time.sleep(0.005)
    app = console(www, Steward(socket))
    client = TestClient(app, base_url="https://console", client=("192.0.2.7", 1))
    headers = {"Cookie": f"__Host-drover={house.session('operator')}", "Sec-Fetch-Site": "same-origin"}
    with client.websocket_connect("/api/v1/guests/mc/serial", headers=headers) as websocket:
        assert websocket.receive_text() == '{"open": true}'
        websocket.send_text('{"resize": [91, 23]}')
        websocket.send_bytes(b"stty size; echo $((6 * 7))\n")
        shown = b""
        while b"23 91" not in shown or b"\r\n42" not in shown:
            shown += websocket.receive_bytes()
        (house.folder / "users.json").write_text("{}")
        with pytest.raises(WebSocketDisconnect) as closed:
            while True:
                websocket.receive_bytes()
    assert (closed.value.code, closed.value.reason) == (4401, "operator may no longer log in")
