# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what: every operation of the API's own description, by everybody who might ask."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Caller, Steward
from ansible_collections.cspp.drover.plugins.module_utils.console.streams import WEBSOCKETS
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import ROLES
from ansible_collections.cspp.drover.plugins.module_utils.steward.consoles import KINDS
from ansible_collections.cspp.drover.plugins.module_utils.steward.verbs import VERBS
from ansible_collections.cspp.drover.tests.unit.console.operations import Operation, bodies, operations, with_names
from ansible_collections.cspp.drover.tests.unit.console.page.stage import WWW
from ansible_collections.cspp.drover.tests.unit.console.played import Played
from ansible_collections.cspp.drover.tests.unit.console.played_steward import credential
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
NAMES = {"guests": "minecraft", "nodes": "node2", "operations": "OPERATION", "plans": "PLAN"}
BODIES = bodies("minecraft", "node1", "viewer")


def cases() -> list[Operation]:
    """Method, path and role of every operation."""
    return with_names(NAMES)


async def answered(stage: Stage, method: str, path: str, who: str) -> int:
    """The status of the answer to one request, of a plan and an operation that there are."""
    plan, operation = stage.steward.played.prepared()
    path = path.replace("PLAN", plan).replace("OPERATION", operation)
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    if secret := CREDENTIALS[who]:
        headers["Authorization"] = f"Bearer {secret}"
    body = BODIES.get(path.removeprefix("/api/v1")) if method == "POST" else None
    # A log-in is of this request alone.
    stage.client.cookies.clear()
    async with asyncio.timeout(5):
        if path.endswith("/events") and ROLES.index(role_of(who)):
            return 200
        return (await stage.client.request(method, path, headers=headers, json=body)).status_code


def role_of(who: str) -> Any:
    return who if who in ROLES else "nobody"


def test_every_operation_says_which_role_it_takes() -> None:
    found = list(cases())
    assert len(found) >= 18
    assert {role for *_, role in found} == set(ROLES) - {"admin"}
    # The plans of some actions take more, which the steward asks again (tests/unit/steward/test_roles.py).
    assert set(WEBSOCKETS.values()) == {VERBS["console"].role}


@pytest.mark.parametrize("who", CREDENTIALS)
def test_nobody_gets_further_than_the_role_goes(staged: Staged, who: str) -> None:
    async def ask() -> list[str]:
        wrong = []
        async with staged() as stage:
            for method, path, role in cases():
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
            played = stage.steward.played
            for method, path, _ in cases():
                await answered(stage, method, path, "viewer")
            fresh = Played(calm=True).look()
            assert {**played.look(), "operations": []} == fresh
            assert (played.carried_out, played.merge_requests) == ([], {})

    asyncio.run(ask())


#: What of the page asks the API, in its own words: get("/…"), change("POST", "/…"), and the consoles of guests.
_GETS = re.compile(r"""\bget\((["`])(/.*?)\1""")
_CHANGES = re.compile(r"""\bchange\("(\w+)", (["`])(/.*?)\2""")


def wished() -> set[tuple[str, str]]:
    """Method and path of every request of the page, with its parts that vary as ``{}``."""
    found = {("GET", "/events")}
    for file in (WWW / "app").rglob("*.js"):
        text = file.read_text(encoding="utf-8")
        found |= {("GET", path) for _quote, path in _GETS.findall(text)}
        found |= {(method, path) for method, _quote, path in _CHANGES.findall(text)}
    return {(method, re.sub(r"\$\{.*?\}", "{}", path.partition("?")[0])) for method, path in found}


def test_the_api_has_all_that_the_page_asks_for() -> None:
    there = {(method, re.sub(r"\{\w+\}", "{}", path.removeprefix("/api/v1"))) for method, path, _role in operations()}
    asked = wished()
    assert len(asked) >= 9
    assert asked - there == set()
    consoles = (WWW / "app" / "guests" / "console.js").read_text(encoding="utf-8")
    kinds = {path.rpartition("/")[2] for path in WEBSOCKETS}
    assert kinds == set(KINDS) == {kind for kind in kinds if f'"{kind}"' in consoles}


def test_every_operation_is_a_verb_of_the_steward(staged: Staged) -> None:
    """The played steward has the real one's list of verbs, with their arguments: what it is asked, that one takes."""

    async def ask() -> set[str]:
        async with staged() as stage:
            for method, path, _ in cases():
                assert await answered(stage, method, path, "admin") < 300, path
            return {one["verb"] for one in stage.steward.asked}

    # Events ask by looking; a console is asked for by its WebSocket.
    assert asyncio.run(ask()) | {"console"} == set(VERBS)
