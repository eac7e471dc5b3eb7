# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who somebody is: passwords, sessions, tokens, PAM, and guessing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.steward import sessions
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import Declared
from ansible_collections.cspp.drover.plugins.module_utils.steward.identity import Identity

from .conftest import FROM, KEY, NOW, OLDER, THEIRS, House


def test_a_session_tells_who_somebody_is_on_any_node_that_has_the_key(house: House) -> None:
    session = house.session("operator")
    said = house.ask("whoami", session)
    assert (said["user"], said["role"], said["kind"]) == ("operator", "operator", "session")
    assert said["session"] is None
    assert sessions.read(session, [THEIRS, KEY], NOW) is not None


def test_a_session_slides_while_it_is_used_and_ends_when_it_is_not(house: House) -> None:
    session = house.session("viewer")
    house.clock.now += 4 * 3600
    later = house.ask("whoami", session)["session"]
    house.clock.now += 5 * 3600
    assert house.refusal("whoami", session).status == 401
    assert house.ask("whoami", later)["user"] == "viewer"


def test_no_session_lasts_for_more_than_a_week(house: House) -> None:
    session = house.session("viewer")
    for _hour in range(7 * 24 - 1):
        house.clock.now += 3600
        session = house.ask("whoami", session)["session"] or session
    house.clock.now += 3700
    assert house.refusal("whoami", session).status == 401


def test_a_session_of_the_key_before_is_taken_and_of_another_cluster_is_not(house: House) -> None:
    begun = sessions.begin("viewer", "declared", NOW)
    assert house.ask("whoami", sessions.signed(begun, OLDER))["user"] == "viewer"
    assert house.refusal("whoami", sessions.signed(begun, THEIRS)).status == 401


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "e30.x", "." * 300])
def test_what_is_no_session_is_none(text: str) -> None:
    assert sessions.read(text, [KEY], NOW) is None


def test_a_payload_cannot_be_changed(house: House) -> None:
    session = house.session("viewer")
    other = sessions.signed(sessions.begin("admin", "declared", NOW), THEIRS)
    forged = f"{other.partition('.')[0]}.{session.partition('.')[2]}"
    assert house.refusal("look", forged).status == 401


def test_who_logs_out_is_out_on_all_nodes_by_the_journal(house: House) -> None:
    one, other = house.session("viewer"), house.session("viewer")
    house.ask("logout", one)
    assert house.refusal("whoami", one).status == 401
    assert house.ask("whoami", other)["user"] == "viewer"
    house.clock.now += 1
    house.ask("logout", other, everywhere=True)
    assert house.refusal("whoami", other).status == 401
    house.clock.now += 1
    assert house.ask("whoami", house.session("viewer"))["user"] == "viewer"
    assert [entry["result"] for entry in house.ledger.entries("session-end")] == [
        "logged out",
        "logged out everywhere",
    ]


def test_a_user_who_is_no_longer_declared_is_out_at_once(house: House, declared: Callable[..., Path]) -> None:
    session = house.session("viewer")
    declared(users={})
    assert house.refusal("look", session).status == 401


def test_wrong_users_and_wrong_passwords_are_told_apart_by_nothing(house: House) -> None:
    answers = []
    for user in ("viewer", "nobody-at-all"):
        begun = house.clock.now
        trouble = house.refusal("login", user=user, password="wrong")
        answers.append((trouble.as_dict(), round(house.clock.now - begun, 6)))
    assert answers[0] == answers[1]
    assert answers[0][1] == 1.0


def test_guessing_closes_the_door_for_that_user_from_there_and_says_for_how_long(house: House) -> None:
    for _try in range(5):
        assert house.refusal("login", user="viewer", password="wrong").status == 401
    trouble = house.refusal("login", user="viewer", password="secret of viewer")
    assert trouble.status == 429
    assert trouble.remedy.startswith("Try again in ")
    locked = [entry for entry in house.ledger.book.entries() if entry["kind"] == "log-in"]
    assert [(entry["result"], entry["by"], entry["origin"]) for entry in locked] == [("locked out", "viewer", FROM)]
    assert house.session("operator")


def token(house: House, declared: Callable[..., Path], **more: Any) -> str:
    secret = "drv_" + "5" * 43
    digest = hashlib.sha256(secret.encode()).hexdigest()
    declared(tokens={"ci": {"sha256": digest, "role": "operator", **more}})
    return secret


def test_a_token_is_known_by_its_digest(house: House, declared: Callable[..., Path]) -> None:
    secret = token(house, declared, networks=["192.0.2.0/24"], expires="2027-01-16T00:00:00Z")
    assert house.ask("whoami", secret)["role"] == "operator"
    assert house.refusal("whoami", secret + "x").status == 401


@pytest.mark.parametrize(
    "more", [{"networks": ["10.0.0.0/8"]}, {"networks": ["2001:db8::/32"]}, {"expires": "2027-01-15T00:00:00Z"}]
)
def test_a_token_from_elsewhere_or_too_late_is_none(house: House, declared: Callable[..., Path], more: Any) -> None:
    assert house.refusal("whoami", token(house, declared, **more)).status == 401


def test_the_systems_users_log_in_by_pam_in_the_role_of_their_groups(
    house: House, declared: Callable[..., Path]
) -> None:
    groups = {"ann": ["staff", "ops"], "bob": ["staff"]}
    folder = declared(groups={"ops": "operator"})
    tries: list[str] = []

    def attempt(user: str, password: str) -> bool:
        tries.append(user)
        return password == "right"

    identity = Identity(
        Declared(folder),
        lambda: [KEY],
        house.ledger,
        attempt=attempt,
        groups=lambda user: groups.get(user, []),
        now=house.clock,
        sleep=house.clock.sleep,
    )
    session = identity.log_in("ann", "right", FROM)["session"]
    assert identity.caller(session, FROM).role == "operator"
    for user in ("bob", "root", "ann"):
        with pytest.raises(DroverError):
            identity.log_in(user, "right" if user != "ann" else "wrong", FROM)
    assert tries == ["ann", "bob", "ann"]
    groups["ann"] = []
    with pytest.raises(DroverError):
        identity.caller(session, FROM)


def test_a_declaration_that_is_none_lets_nobody_in(house: House, declared: Callable[..., Path]) -> None:
    session = house.session("admin")
    declared(users={"admin": {"hash": "x", "role": "king"}})
    with pytest.raises(DroverError, match="'king' is no role"):
        house.ask("look", session)


@pytest.mark.parametrize("text", ["", "zz", "ab" * 8])
def test_a_node_without_a_key_for_sessions_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "console.key"
    path.write_text(text)
    with pytest.raises(DroverError, match="has no key for sessions"):
        sessions.keys(path)
    path.write_text("ab" * 32 + "\n" + "cd" * 32 + "\n")
    assert sessions.keys(path) == [b"\xab" * 32, b"\xcd" * 32]
