# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who somebody is: passwords, sessions, tokens, PAM, and guessing."""

from __future__ import annotations

import hashlib
import os
import pwd
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.steward import pam, sessions
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import Declared
from ansible_collections.cspp.drover.plugins.module_utils.steward.identity import Identity
from ansible_collections.cspp.drover.plugins.module_utils.steward.lockout import Lockout
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble

from .conftest import FROM, HASHES, KEY, NOW, OLDER, THEIRS, Clock, House, session_of


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
    assert house.ask("whoami", session_of("viewer", key=OLDER))["user"] == "viewer"
    assert house.refusal("whoami", session_of("viewer", key=THEIRS)).status == 401


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "e30.x", "." * 300])
def test_what_is_no_session_is_none(text: str) -> None:
    assert sessions.read(text, [KEY], NOW) is None


def test_a_payload_cannot_be_changed(house: House) -> None:
    session = house.session("viewer")
    other = session_of("admin", key=THEIRS)
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


def test_a_user_with_another_password_is_out_at_once_and_so_is_who_takes_the_name(
    house: House, declared: Callable[..., Path]
) -> None:
    session = house.session("viewer")
    declared(users={"viewer": {"hash": HASHES["admin"], "role": "viewer"}})
    trouble = house.refusal("look", session)
    assert (trouble.status, trouble.cause) == (401, "what viewer logged in by has changed since")
    declared(users={"viewer": {"hash": HASHES["viewer"], "role": "admin"}})
    assert house.ask("whoami", session)["role"] == "admin"


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


class System:
    """The system's users, with PAM, by name: password, groups, and what their credential is. A try takes its time."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.tried = house, [""]
        self.users = {
            "ann": ["right", ["staff", "ops"], "1000:$y$1"],
            "bob": ["right", ["staff"], "1001:$y$2"],
            # Whose account has expired.
            "eve": ["right", ["ops"], ""],
        }
        more: dict[str, Any] = {"now": house.clock, "sleep": house.clock.sleep}
        self.identity = Identity(
            Declared(folder),
            lambda: [KEY],
            house.ledger,
            attempt=self.attempt,
            groups=lambda user: list(self.users[user][1]) if user in self.users else [],
            credential=lambda user: str(self.users[user][2]) if user in self.users else "",
            **more,
        )

    def attempt(self, user: str, password: str) -> bool:
        self.tried.append(user)
        self.house.clock.sleep(2.3)
        return user in self.users and password == self.users[user][0]


def test_the_systems_users_log_in_by_pam_in_the_role_of_their_groups(
    house: House, declared: Callable[..., Path]
) -> None:
    system = System(house, declared(groups={"ops": "operator"}))
    session = system.identity.log_in("ann", "right", FROM)["session"]
    assert system.identity.caller(session, FROM).role == "operator"
    for user, password in (("bob", "right"), ("eve", "right"), ("root", "right"), ("ann", "wrong")):
        with pytest.raises(DroverError):
            system.identity.log_in(user, password, FROM)
    # root's password is tried by nobody.
    assert system.tried[1:] == ["ann", "bob", "eve", "drover.nobody", "ann"]


@pytest.mark.parametrize("change", [(1, []), (2, "1000:$y$new"), (2, "1000:!$y$1"), (2, "2000:$y$1"), (2, "")])
def test_one_of_the_systems_users_is_out_with_their_groups_their_password_or_their_account(
    house: House, declared: Callable[..., Path], change: tuple[int, Any]
) -> None:
    system = System(house, declared(groups={"ops": "operator"}))
    session = system.identity.log_in("ann", "right", FROM)["session"]
    system.users["ann"][change[0]] = change[1]
    with pytest.raises(DroverError):
        system.identity.caller(session, FROM)


def test_where_pam_is_asked_it_is_for_everybody_who_fails(house: House, declared: Callable[..., Path]) -> None:
    system = System(house, declared(groups={"ops": "operator"}))
    took = []
    for user in ("viewer", "ann", "nobody-at-all", "root"):
        begun = house.clock.now
        with pytest.raises(DroverError):
            system.identity.log_in(user, "wrong", FROM)
        took.append(round(house.clock.now - begun, 6))
    assert took == [3.0] * 4


def test_tries_count_while_they_are_made(house: House, declared: Callable[..., Path]) -> None:
    system = System(house, declared(groups={"ops": "operator"}))
    under_way, told = threading.Barrier(6), []

    def attempt(_user: str, _password: str) -> bool:
        under_way.wait(20)
        return False

    def guess() -> None:
        with pytest.raises(Trouble) as caught:
            system.identity.log_in("ann", "guess", FROM)
        told.append(caught.value.code)

    system.identity._attempt = attempt
    threads = [threading.Thread(target=guess) for _ in range(5)]
    for thread in threads:
        thread.start()
    while under_way.n_waiting < 5:
        time.sleep(0.01)
    # Five are under way, and none has failed yet.
    guess()
    assert told == ["locked_out"]
    under_way.wait(20)
    for thread in threads:
        thread.join()
    assert told[1:] == ["wrong_log_in"] * 5
    locked = [entry["result"] for entry in house.ledger.book.entries() if entry["kind"] == "log-in"]
    assert locked == ["locked out"]


def test_a_log_in_that_is_right_counts_as_no_failure() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    for _time in range(200):
        lockout.succeeded(lockout.take("ann", FROM))
    tries = [lockout.take("ann", FROM) for _ in range(4)]
    lockout.succeeded(lockout.take("ann", FROM))
    assert [one.last for one in tries] == [False] * 4
    # Of her those before count no more; of the address they do.
    for user in ("ann", "bob", "eve", "dan"):
        assert [lockout.take(user, FROM).last for _ in range(4)] == [False] * 3 + [user == "dan"]
    with pytest.raises(Trouble, match="too many failures"):
        lockout.take("zoe", FROM)
    assert not lockout.take("zoe", "192.0.2.8").last
    clock.now += 300
    assert not lockout.take("zoe", FROM).last


def test_log_ins_leave_room_for_other_requests(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.steward.identity, "_free", threading.BoundedSemaphore(1))
    with house.steward.identity._free:
        assert house.refusal("login", user="viewer", password="secret of viewer").code == "busy"
        assert house.ask("whoami", session_of("viewer"))["user"] == "viewer"
    assert house.session("viewer")


def test_few_tries_of_pam_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together, most = [0], [0]

    def run(*_argv: Any, **_more: Any) -> CommandResult:
        together[0] += 1
        most[0] = max(most[0], together[0])
        time.sleep(0.02)
        together[0] -= 1
        return CommandResult((), 1, "", "")

    monkeypatch.setattr(pam, "run", run)
    threads = [threading.Thread(target=pam.attempt, args=("ann", "x")) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 4


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (":$y$1:20000:0:99999:7:::", True),
        (":!$y$1:20000:0:99999:7:::", True),
        (":$y$1:20000:0:99999:7::1:", False),
        (":$y$1:20000:0:99999:7::99999:", True),
        (None, True),
    ],
)
def test_a_credential_is_the_shadows_and_none_once_the_account_is_over(
    tmp_path: Path, fields: str | None, told: bool
) -> None:
    me = pwd.getpwuid(os.getuid())
    shadow = tmp_path / "shadow"
    shadow.write_text("other:x:1::::::\n" + (f"{me.pw_name}{fields}\n" if fields else ""))
    expected = f"{me.pw_uid}:{fields.split(':')[1] if fields else ''}" if told else ""
    assert pam.credential(me.pw_name, shadow) == expected
    assert pam.credential("nobody-at-all", shadow) == ""


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
