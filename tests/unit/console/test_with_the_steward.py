# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console before the real steward, on a real socket: every operation of the API, by everybody who might ask."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.steward import server, verbs
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import ROLES
from ansible_collections.cspp.drover.tests.unit.console.operations import with_names
from tests.unit.steward.conftest import House, declared, house  # noqa: F401
from tests.unit.steward.test_roles import CALLERS, RANK, credential

NAMES = {"guests": "mc", "nodes": "n2", "operations": "0" * 32, "plans": "drain~n2~~~0~x"}
BODIES: dict[str, dict[str, Any]] = {
    "/session": {"user": "viewer", "password": "secret of viewer"},
    "/plans": {"action": "drain", "subject": "n2"},
    "/guests/mc/proposal": {"changes": {"memory": "3GiB"}},
}


@asynccontextmanager
async def client_of(house: House, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811
    socket = tmp_path / "door" / "socket"
    threading.Thread(target=server.serve, args=(house.steward.answer, socket), daemon=True).start()
    while not socket.exists():
        await asyncio.sleep(0.005)
    www = tmp_path / "www"
    www.mkdir()
    transport = httpx.ASGITransport(console(www, Steward(socket, patience=10)))
    async with httpx.AsyncClient(transport=transport, base_url="https://console") as client:
        yield client


async def holes(house: House, tmp_path: Path) -> list[str]:  # noqa: F811
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


def test_nobody_gets_further_than_the_role_goes(house: House, tmp_path: Path) -> None:  # noqa: F811
    assert asyncio.run(holes(house, tmp_path)) == []


def test_a_hole_is_found(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(verbs, "allows", lambda role, needed: role != "nobody")
    assert any("drain by viewer: 202" in one for one in asyncio.run(holes(house, tmp_path)))


def test_a_session_is_begun_and_ended(house: House, tmp_path: Path) -> None:  # noqa: F811
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
