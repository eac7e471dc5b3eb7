# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what: every operation of the API's own description, by everybody who might ask."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console.app import api
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Caller, Steward
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import ROLES
from ansible_collections.cspp.drover.tests.unit.console.small_steward import PlayedSteward, credential
from tests.unit.console.conftest import Stage, Staged

#: Who asks, by the credential that they send; the last two have none that is good.
CREDENTIALS = {
    "nobody": None,
    "viewer": credential("viewer"),
    "operator": credential("operator"),
    "admin": credential("admin"),
    "expired": credential("expired"),
    "of another cluster": credential("other"),
}
NAMES = {"guests": "minecraft", "nodes": "node2", "operations": "operation-1", "plans": "plan-1"}
BODIES: dict[str, dict[str, Any]] = {
    "/session": {"user": "viewer", "password": "viewer"},
    "/session/oidc": {"url": "https://console"},
    "/session/oidc/end": {"code": "a", "state": "b"},
    "/plans": {"action": "drain", "subject": "node1"},
    "/guests/minecraft/proposal": {"changes": {"memory": "3GiB"}},
}

Case = tuple[str, str, str]


def cases() -> Iterator[Case]:
    """Method, path and role of every operation."""
    for path, operations in api(Steward(Path("nowhere"))).openapi()["paths"].items():
        for method, operation in operations.items():
            filled = re.sub(r"/(\w+)/\{\w+\}", lambda found: f"/{found[1]}/{NAMES[found[1]]}", path)
            yield method.upper(), filled, operation["x-role"]


async def answered(stage: Stage, method: str, path: str, who: str) -> int:
    """The status of the answer to one request."""
    headers = {"Idempotency-Key": f"key-of-{who.replace(' ', '-')}"}
    if secret := CREDENTIALS[who]:
        headers["Authorization"] = f"Bearer {secret}"
    body = BODIES.get(path.removeprefix("/api/v1")) if method == "POST" else None
    async with asyncio.timeout(5):
        if path.endswith("/events") and ROLES.index(role_of(who)):
            return 200
        return (await stage.client.request(method, path, headers=headers, json=body)).status_code


def role_of(who: str) -> Any:
    return who if who in ROLES else "nobody"


def prepare(steward: PlayedSteward) -> None:
    """A plan and an operation for those who ask for one."""
    plan = steward.cluster.plan("start", "archive")
    steward.cluster.operation(plan, "admin")


def test_every_operation_says_which_role_it_takes() -> None:
    found = list(cases())
    assert len(found) >= 18
    assert {role for *_, role in found} == set(ROLES)


@pytest.mark.parametrize("who", CREDENTIALS)
def test_nobody_gets_further_than_the_role_goes(staged: Staged, who: str) -> None:
    async def ask() -> list[str]:
        wrong = []
        for method, path, role in cases():
            async with staged() as stage:
                prepare(stage.steward)
                status = await answered(stage, method, path, who)
                has = ROLES.index(role_of(who))
                good = (200, 202, 204) if has >= ROLES.index(role) else (403,) if has else (401,)
                if status not in good:
                    wrong.append(f"{method} {path} by {who}: {status}, not {good}")
        return wrong

    assert asyncio.run(ask()) == []


def test_a_hole_is_found(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that asks as somebody else than who asked."""
    real = Steward.ask

    async def asks_as_admin(self: Steward, verb: str, caller: Caller, **given: Any) -> dict[str, Any]:
        caller = Caller(credential("admin"), caller.address) if verb == "drain" else caller
        return await real(self, verb, caller, **given)

    monkeypatch.setattr(Steward, "ask", asks_as_admin)
    with pytest.raises(AssertionError, match="drain by viewer: 202"):
        test_nobody_gets_further_than_the_role_goes(staged, "viewer")


def test_a_viewer_changes_nothing(staged: Staged) -> None:
    async def ask() -> None:
        async with staged() as stage:
            prepare(stage.steward)
            before = stage.steward.cluster.look()
            for method, path, _ in cases():
                await answered(stage, method, path, "viewer")
            assert stage.steward.cluster.look() == before

    asyncio.run(ask())
