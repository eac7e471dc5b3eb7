# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every verb of the steward, asked by nobody, by each role, with an expired credential, and with another cluster's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.steward import sessions, verbs
from ansible_collections.cspp.drover.plugins.module_utils.steward.actions import Action
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.plugins.module_utils.steward.verbs import VERBS, Verb
from ansible_collections.cspp.drover.plugins.module_utils.steward.wire import Request

from .conftest import FROM, NOW, THEIRS, House, session_of

#: Whom each verb is for, said once more than in the list itself: by the least role.
WHO = {
    **dict.fromkeys(("ways", "oidc_begin", "oidc_end"), "nobody"),
    **dict.fromkeys(("node_load", "guest_load", "hardware", "offers"), "viewer"),
    "health": "nobody",
    "login": "nobody",
    **dict.fromkeys(
        ("logout", "whoami", "look", "metrics", "failovers", "guest", "journal", "operations", "operation"), "viewer"
    ),
    **dict.fromkeys(("console", "propose", "propose_new", "merge_request", "plan", "carry_out"), "operator"),
    **dict.fromkeys(("start", "stop", "migrate", "drain", "return"), "operator"),
}
#: Arguments with which each gets as far as it can.
SAID: Mapping[str, Mapping[str, Any]] = {
    "login": {"user": "viewer", "password": "wrong"},
    "oidc_begin": {"url": "https://console"},
    "oidc_end": {"pending": "a.b", "state": "c", "code": "d"},
    "guest": {"name": "mc"},
    "guest_load": {"guest": "mc"},
    **{verb: {"node": "n2"} for verb in ("node_load", "hardware")},
    "operation": {"id": "0" * 32},
    "console": {"guest": "mc", "kind": "vnc"},
    "plan": {"action": "drain", "subject": "n2"},
    "propose": {"guest": "mc", "changes": {"memory": "3GiB"}},
    "propose_new": {"called": "new", "declaration": {"kind": "vm"}},
    "merge_request": {"guest": "mc", "changes": {"memory": "3GiB"}},
    "carry_out": {"id": "drain:n2::::0:x"},
    **{verb: {"guest": "mc"} for verb in ("start", "stop", "migrate")},
    **{verb: {"node": "n2"} for verb in ("drain", "return")},
}
CALLERS = ("nobody", "viewer", "operator", "admin", "expired", "other cluster's")
RANK = {"nobody": 0, "viewer": 1, "operator": 2, "admin": 3, "expired": 0, "other cluster's": 0}


def credential(house: House, caller: str) -> str | None:
    match caller:
        case "nobody":
            return None
        case "expired":
            return session_of("admin", NOW - sessions.IDLE - 1)
        case "other cluster's":
            return session_of("admin", key=THEIRS)
    return session_of(caller)


def holes(house: House) -> Iterator[str]:
    """Whom the steward lets do what they may not, and whom it keeps from what they may."""
    for verb in VERBS:
        for caller in CALLERS:
            before = (list(house.cluster.writes), len(house.spawned))
            status = 200
            try:
                house.steward.answer(Request(verb, SAID.get(verb, {}), credential(house, caller), FROM))
            except Trouble as trouble:
                # A password that is wrong is no matter of roles.
                status = 200 if trouble.code == "wrong_log_in" else trouble.status
            may = RANK[caller] >= RANK[WHO[verb]]
            due = () if may else (401,) if RANK[caller] == 0 else (403,)
            if may == (status in (401, 403)) or (due and status not in due):
                yield f"{verb} by {caller}: {status}"
            if not may and before != (list(house.cluster.writes), len(house.spawned)):
                yield f"{verb} by {caller} did something"


def test_every_verb_is_in_the_matrix() -> None:
    assert set(WHO) == set(VERBS)


def test_each_role_may_what_it_may_and_no_more(house: House) -> None:
    assert list(holes(house)) == []


@pytest.mark.parametrize("verb", ["drain", "carry_out", "look"])
def test_a_hole_is_found(house: House, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    lower = {"drain": "viewer", "carry_out": "viewer", "look": "nobody"}[verb]
    planted = {**VERBS, verb: Verb(lower, VERBS[verb].does, VERBS[verb].takes)}
    monkeypatch.setattr(verbs, "VERBS", planted)
    # What an action needs is asked a second time.
    monkeypatch.setattr(Action, "role", lower)
    assert any(found.startswith(f"{verb} by ") for found in holes(house))


def test_a_drain_by_force_is_an_admins(house: House) -> None:
    wish = {"action": "drain", "subject": "n2", "force": True}
    assert house.refusal("plan", house.session("operator"), **wish).status == 403
    forced = house.ask("plan", house.session("admin"), **wish)["plan"]
    assert forced["role"] == "admin"
    assert house.refusal("carry_out", house.session("operator"), id=forced["id"]).status == 403
    assert house.refusal("drain", house.session("operator"), node="n2", force=True).status == 403


def test_a_refusal_is_on_record_once_a_minute(house: House) -> None:
    viewer = house.session("viewer")
    for _time in range(3):
        house.refusal("drain", viewer, node="n2")
    told = [(e["by"], e["verb"], e["origin"]) for e in house.ledger.book.entries() if e["kind"] == "refusal"]
    assert told == [("viewer", "drain", FROM)]


@pytest.mark.parametrize(
    ("verb", "said", "status"),
    [
        ("start", {"guest": "nobody-knows"}, 404),
        ("drain", {"node": "n99"}, 404),
        ("migrate", {"guest": "mc", "to": "n99"}, 404),
        ("plan", {"action": "explode", "subject": "mc"}, 422),
        ("plan", {"action": "start", "subject": "mc", "target": "n2"}, 422),
        ("start", {"guest": 7}, 422),
        ("start", {"guest": "../etc"}, 422),
        ("start", {"guest": "mc; reboot"}, 422),
        ("start", {}, 422),
        ("start", {"guest": "mc", "more": 1}, 422),
        ("start", {"guest": "mc", "idempotency_key": "two words"}, 422),
        ("journal", {"limit": 0}, 422),
        ("journal", {"limit": True}, 422),
        ("journal", {"before": "unknown"}, 404),
        ("guest", {"name": "nobody-knows"}, 404),
        ("operation", {"id": "unknown"}, 404),
        ("carry_out", {"id": "drain:n2::::0000:forged"}, 404),
        ("carry_out", {"id": "é"}, 404),
        ("explode", {}, 404),
    ],
)
def test_bad_input_gets_a_clear_error_and_changes_nothing(
    house: House, verb: str, said: dict[str, Any], status: int
) -> None:
    trouble = house.refusal(verb, house.session("admin"), **said)
    assert trouble.status == status
    assert trouble.cause
    assert trouble.remedy
    assert (house.cluster.writes, house.spawned) == ([], [])
