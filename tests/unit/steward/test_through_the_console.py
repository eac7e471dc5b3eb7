# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The real console before the real steward, on a real socket: a drain from the log-in to its end, as a browser asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.steward.server import serve
from ansible_collections.cspp.drover.tests.unit.fake_cluster import ARRIVED, STATUS

from .conftest import House

PAGE = {"Origin": "https://console:8443", "Sec-Fetch-Site": "same-origin"}


def through(house: House, tmp_path: Path, story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    www, path = tmp_path / "www", tmp_path / "run" / "socket"
    www.mkdir()
    (www / "index.html").write_text('<!doctype html><script type="importmap">{"imports": {}}</script>')
    threading.Thread(target=serve, args=(house.steward.answer, path), daemon=True).start()
    while not path.exists():
        threading.Event().wait(0.01)

    async def run() -> None:
        transport = httpx.ASGITransport(console(www, Steward(path)))
        async with httpx.AsyncClient(transport=transport, base_url="https://console:8443", headers=PAGE) as client:
            await story(client)

    asyncio.run(run())


def test_a_drain_is_planned_confirmed_and_seen_to_its_end(house: House, tmp_path: Path) -> None:
    house.cluster.statuses = [STATUS, ARRIVED]

    async def story(client: httpx.AsyncClient) -> None:
        def once(key: str) -> dict[str, str]:
            return {"Idempotency-Key": key}

        assert (await client.get("/api/v1/cluster")).status_code == 401
        login = {"user": "operator", "password": "secret of operator"}
        answer = await client.post("/api/v1/session", json=login)
        assert (answer.status_code, answer.json()["role"]) == (200, "operator")
        look = (await client.get("/api/v1/cluster")).json()
        assert "mc" in [guest["name"] for guest in look["guests"]]
        assert "mc" in (await client.get("/api/v1/cluster", headers={"Accept": "text/plain"})).text
        asked: Any = {"action": "drain", "subject": "n2"}
        plan = (await client.post("/api/v1/plans", json=asked, headers=once("k" * 8))).json()["plan"]
        assert [move["guest"] for move in plan["moves"]] == ["mc"]
        ordered = await client.post(f"/api/v1/plans/{plan['id']}/carry-out", json={}, headers=once("k" * 16))
        assert ordered.status_code == 202, ordered.text
        number = ordered.json()["operation"]["id"]
        house.work()
        done = (await client.get(f"/api/v1/operations/{number}")).json()["operation"]
        assert done["state"] == "done"
        written = list(house.cluster.writes)
        stale = await client.post(f"/api/v1/plans/{plan['id']}/carry-out", json={}, headers=once("k" * 17))
        assert (stale.status_code, stale.json()["error"]["code"]) == (409, "stale_plan")
        assert stale.json()["error"]["message"] and stale.json()["error"]["remedy"]
        assert stale.json()["plan"]["moves"] == []
        assert (house.cluster.writes, house.spawned) == (written, [])
        guest = (await client.get("/api/v1/guests/mc")).json()["guest"]
        assert len(guest["where"]) == 3
        journal = (await client.get("/api/v1/journal")).json()["entries"]
        assert "operation-end" in [entry["kind"] for entry in journal]
        assert (await client.post("/api/v1/guests/nobody/start", headers=once("k" * 18))).status_code == 404
        assert (await client.delete("/api/v1/session")).status_code in (200, 204)
        assert (await client.get("/api/v1/cluster")).status_code == 401

    through(house, tmp_path, story)
