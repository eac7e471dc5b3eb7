# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes no further than the gate, and the headers with which all answers leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.buckets import Buckets
from ansible_collections.cspp.drover.plugins.module_utils.console.gate import MOST_BYTES
from ansible_collections.cspp.drover.plugins.module_utils.console.origin import foreign
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.tests.unit.console.played_steward import credential
from tests.unit.console.conftest import Staged

HOST, COOKIE = {"host": "console:8443"}, {"cookie": "__Host-drover=x"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://console:8443"}, False),
        ({"origin": "https://console:8443"}, True),
        ({"origin": "http://console:8443"}, False),
        ({"origin": "https://console"}, False),
        ({"origin": "https://console:8443.evil.example"}, False),
        ({"origin": "null"}, False),
        (COOKIE, False),
        ({}, True),
    ],
)
def test_requests_of_other_pages(headers: dict[str, str], allowed: bool) -> None:
    assert (foreign({**HOST, **headers}) == "") is allowed


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({}, 403),
    ],
)
def test_a_cookie_alone_has_nothing_done(staged: Staged, headers: dict[str, str], status: int) -> None:
    async def ask() -> None:
        async with staged() as stage:
            cookie = f"__Host-drover={credential('operator')}"
            asked = {"Cookie": cookie, "Idempotency-Key": "a-key-of-mine", **headers}
            answer = await stage.client.post("/api/v1/nodes/node1/drain", headers=asked)
            assert answer.status_code == status, answer.text
            if status == 403:
                error = answer.json()["error"]
                assert (error["code"], error["remedy"]) == ("foreign_origin", "Act from the console's page.")
            assert ("drain" in [one["verb"] for one in stage.steward.asked]) is (status == 202)

    asyncio.run(ask())


async def _flood() -> AsyncIterator[bytes]:
    for _ in range(MOST_BYTES // 1024 + 2):
        yield b" " * 1024


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "given", "status", "code"),
    [
        ("GET", "/api/v1/nothing", {}, 404, "not_found"),
        ("GET", "/nothing.js", {}, 404, "not_found"),
        ("POST", "/index.html", {}, 405, "no_method"),
        ("POST", "/api/v1/cluster", {}, 405, "no_method"),
        ("GET", "/api/v1/plans", {}, 405, "no_method"),
        ("POST", "/api/v1/session", {"content": b"{", "headers": JSON}, 422, "invalid"),
        ("POST", "/api/v1/session", {"content": b"\xff", "headers": JSON}, 400, "broken"),
        ("POST", "/api/v1/session", {"json": {"user": 1, "password": "x"}}, 422, "invalid"),
        ("POST", "/api/v1/session", {"json": {"user": "x", "password": "x", "role": "admin"}}, 422, "invalid"),
        ("POST", "/api/v1/session", {"data": {"user": "x", "password": "x"}}, 415, "no_json"),
        ("POST", "/api/v1/session", {"content": b" " * (MOST_BYTES + 1), "headers": JSON}, 413, "too_large"),
        ("POST", "/api/v1/session", {"content": _flood, "headers": JSON}, 413, "too_large"),
        ("POST", "/api/v1/session", {"json": {"user": "viewer", "password": "wrong"}}, 401, "wrong_log_in"),
    ],
)
def test_what_is_wrong_is_told_as_an_error(
    staged: Staged, method: str, path: str, given: dict[str, Any], status: int, code: str
) -> None:
    async def ask() -> None:
        async with staged() as stage:
            content = given.get("content")
            sent = {**given, "content": content()} if callable(content) else given
            answer = await stage.client.request(method, path, **sent)
            assert answer.status_code == status, answer.text
            error = answer.json()["error"]
            assert (error["code"], error["status"]) == (code, status)
            assert error["message"] and error["remedy"]
            # Whether a password is right, only the steward knows.
            assert [one["verb"] for one in stage.steward.asked] == (["login"] if status == 401 else [])

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("POST", "/guests/mail/start", [], "body"),
        ("POST", "/guests/mail/start", {"force": True}, "body.force"),
        ("POST", "/guests/mail/migrate", {"to": ["node2"]}, "body.to"),
        ("POST", "/guests/mail%0A/stop", None, "path.name"),
        ("POST", "/nodes/node1/drain", "now", "body"),
        ("POST", "/plans", {"action": "explode", "subject": "mail"}, "body.action"),
        ("POST", "/plans", {"action": "drain", "subject": 1}, "body.subject"),
        ("POST", "/plans", {"action": "drain"}, "body.subject"),
        ("POST", "/plans/%7B%7D/carry-out", None, "path.id"),
        ("POST", "/guests/mail/proposal", {"changes": ["memory"]}, "body.changes"),
        ("POST", "/guests/mail/proposal", {"changes": {"\ud800": 1}}, "body.changes"),
        ("POST", "/guests/mail/merge-request", {"changes": "memory"}, "body.changes"),
        ("GET", "/journal?limit=many", None, "query.limit"),
        ("GET", "/journal?limit=-1", None, "query.limit"),
    ],
)
def test_what_is_of_a_wrong_type_is_told_and_asked_of_nobody(
    staged: Staged, method: str, path: str, body: Any, where: str
) -> None:
    async def ask() -> None:
        async with staged() as stage:
            headers = {**JSON, "Authorization": f"Bearer {credential('admin')}", "Idempotency-Key": "a-key-of-mine"}
            content = None if body is None else json.dumps(body)
            answer = await stage.client.request(method, f"/api/v1{path}", content=content, headers=headers)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (422, "invalid")
            assert f": {where}" in error["message"]
            assert error["remedy"]
            assert stage.steward.asked == []

    asyncio.run(ask())


def test_an_action_without_a_key_is_refused(staged: Staged) -> None:
    async def ask() -> None:
        async with staged() as stage:
            headers = {"Authorization": f"Bearer {credential('admin')}"}
            answer = await stage.client.post("/api/v1/guests/mail/stop", headers=headers)
            assert answer.status_code == 422
            assert "Idempotency-Key" in answer.json()["error"]["message"]
            assert stage.steward.asked == []

    asyncio.run(ask())


def test_a_repeated_action_is_done_once(staged: Staged) -> None:
    async def ask() -> None:
        async with staged() as stage:
            headers = {"Authorization": f"Bearer {credential('admin')}", "Idempotency-Key": "one-and-the-same"}
            first, second = [await stage.client.post("/api/v1/guests/mail/stop", headers=headers) for _ in range(2)]
            assert first.json() == second.json()
            assert len(stage.steward.played.operations) == 1

    asyncio.run(ask())


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/cluster", "/api/v1/openapi.json"])
def test_every_answer_has_the_headers(staged: Staged, path: str) -> None:
    async def ask() -> None:
        async with staged() as stage:
            headers = (await stage.client.get(path)).headers
            policy = headers["content-security-policy"]
            assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == ("no-cache" if path == "/" else "no-store")

    asyncio.run(ask())


def test_the_session_is_out_of_scripts_reach(staged: Staged) -> None:
    async def ask() -> None:
        async with staged() as stage:
            answer = await stage.client.post("/api/v1/session", json={"user": "viewer", "password": "viewer"})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-drover=")
            assert {"HttpOnly", "Path=/", "SameSite=strict", "Secure"} == set(cookie.split("; ")[1:])
            assert credential("viewer") not in answer.text

    asyncio.run(ask())


def test_who_asks_too_often_waits() -> None:
    now = 0.0
    buckets = Buckets(3, 1.0, lambda: now)
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b")
    now = 1.0
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    assert [buckets.take("c", 0.5) for _ in range(7)] == [True] * 6 + [False]


@pytest.mark.parametrize("socket", ["nowhere", "refusing", "silent", "broken", "odd"])
def test_a_dead_steward_is_told_of(www: Path, tmp_path: Path, socket: str) -> None:
    async def ask() -> None:
        async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            if socket == "silent":
                await reader.read()
            writer.write({"broken": b'{"result": {', "odd": b'{"what": 1}\n'}.get(socket, b""))
            writer.close()

        path = tmp_path / socket
        server = None if socket == "nowhere" else await asyncio.start_unix_server(attend, path)
        if server and socket == "refusing":
            server.close()
        transport = httpx.ASGITransport(console(www, Steward(path, patience=0.2)))
        async with httpx.AsyncClient(transport=transport, base_url="https://console") as client:
            answer = await client.get("/api/v1/cluster", headers={"Authorization": "Bearer drv_x"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "steward_unreachable"
        assert "systemctl status drover-steward" in answer.json()["error"]["remedy"]
        if server:
            server.close()

    asyncio.run(ask())
