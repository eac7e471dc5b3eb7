# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is declared of a provider, judged; and what it answers, fetched by a process that may do nothing."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.steward import fetching
from ansible_collections.cspp.drover.plugins.module_utils.steward import provider as declaration
from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import MOST, Answer, Ask, Unfetched

from .conftest import House
from .strict_provider import SECRET, StrictProvider, listening
from .strict_provider import declared as declared_of

ISSUER, URL = "https://sso.example.org/realms/club", "https://console:8443"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"issuer": "http://sso.example.org"}, "issuer has to be"),
        ({"issuer": "https://a@sso.example.org"}, "issuer has to be"),
        ({"issuer": "https://sso.example.org/?x"}, "issuer has to be"),
        ({"issuer": "https://sso.example.org:0/"}, "issuer has to be"),
        ({"issuer": "https:///realms"}, "issuer has to be"),
        ({"client_secret": ""}, "client_secret has to be"),
        ({"client_id": None}, "client_id has to be"),
        ({"urls": []}, "urls has to be"),
        ({"urls": "https://console"}, "urls has to be"),
        ({"urls": ["http://console"]}, "urls has to be"),
        ({"urls": ["https://console/page"]}, "urls has to be"),
        ({"groups": {}}, "groups has to be"),
        ({"groups": {"wheel": "king"}}, "groups has to be"),
        ({"groups": {"wheel": "nobody"}}, "groups has to be"),
        ({"scopes": ["profile"]}, "scopes has to be"),
        ({"scopes": ["openid", "a b"]}, "scopes has to be"),
        ({"ca": "-----BEGIN CERTIFICATE-----"}, "ca has to be"),
        ({"name": "x" * 65}, "name has to be"),
        ({"secret": "x"}, "there is no key secret"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_reason(said: dict[str, Any], words: str) -> None:
    whole = declared_of(StrictProvider(ISSUER, f"{URL}/oidc", lambda: 0.0))
    assert declaration.faults(whole) == []
    found = declaration.faults({**whole, **said})
    assert len(found) == 1
    assert words in found[0]
    with pytest.raises(DroverError, match=re.escape(words)):
        declaration.read({**whole, **said})
    assert SECRET not in str(found)


def test_all_that_is_missing_is_told_at_once() -> None:
    assert len(declaration.faults({"name": "SSO"})) == 5
    assert declaration.faults({}) == []


def test_nobody_is_declared_by_a_name_that_the_provider_might_give(house: House, declared: Callable[..., Path]) -> None:
    declared(users={"oidc:ann": {"hash": hashlib.sha256(b"").hexdigest(), "role": "admin"}})
    with pytest.raises(DroverError, match="names have no colon"):
        house.ask("ways")


class Odd(BaseHTTPRequestHandler):
    """Answers each path in its own way."""

    def do_GET(self) -> None:
        match self.path:
            case "/redirect":
                self._answer(302, b"", Location=f"https://{self.headers['Host']}/good")
            case "/huge":
                self._answer(200, b" " * (MOST + 1))
            case "/drip":
                self.send_response(200)
                self.end_headers()
                while True:
                    self.wfile.write(b" ")
                    threading.Event().wait(0.05)
            case "/stalls":
                threading.Event().wait(2)
            case "/noise":
                self.wfile.write(b"\x00" * 9999)
            case path:
                self._answer(200, f'{{"path": "{path}"}}'.encode())

    def do_POST(self) -> None:
        self._answer(400, self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "Application/JSON; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with listening(Odd, tmp_path_factory.mktemp("odd")) as found:
        yield found


def test_an_answer_is_brought_as_it_is(odd: tuple[str, str]) -> None:
    url, authority = odd
    answer = fetching.perform(Ask(f"{url}/a%20b?c=d", authority=authority))
    assert answer == Answer(200, "application/json", b'{"path": "/a%20b?c=d"}')
    answer = fetching.perform(Ask(url, {"code": "a&b", "x": "é"}, {}, authority))
    assert (answer.status, answer.body) == (400, b"code=a%26b&x=%C3%A9")
    answer = fetching.perform(Ask(url, authority=authority, document={"x": "é"}))
    assert (answer.status, answer.body) == (400, b'{"x": "\\u00e9"}')
    answer = fetching.perform(Ask(url, authority=authority, document={}, method="PUT"))
    assert (answer.status, answer.kind) == (501, "text/html")


def test_each_step_of_the_way_has_its_time(odd: tuple[str, str]) -> None:
    with pytest.raises(Unfetched, match=r"does not answer within 0\.2 s"):
        fetching.perform(Ask(f"{odd[0]}/stalls", authority=odd[1], step=0.2))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/redirect", "sends elsewhere, which is not followed"),
        ("/huge", "answers with more than 256 KiB"),
        ("/noise", "does not speak HTTP"),
    ],
)
def test_an_answer_that_is_none_is_told(odd: tuple[str, str], path: str, why: str) -> None:
    with pytest.raises(Unfetched, match=why):
        fetching.perform(Ask(f"{odd[0]}{path}", authority=odd[1]))


def test_only_who_is_vouched_for_is_asked_and_only_by_https(odd: tuple[str, str]) -> None:
    with pytest.raises(Unfetched, match="shows no certificate that is believed"):
        fetching.perform(Ask(odd[0]))
    with pytest.raises(Unfetched, match="shows no certificate that is believed"):
        fetching.perform(Ask(odd[0].replace("127.0.0.1", "localhost"), authority=odd[1]))
    with pytest.raises(Unfetched, match="by https, and by nothing else"):
        fetching.perform(Ask(odd[0].replace("https", "http"), authority=odd[1]))
    with pytest.raises(Unfetched, match="cannot be reached"):
        fetching.perform(Ask("https://127.0.0.1:1/", authority=odd[1]))


#: The process of one request, and one that tells what it may do instead of asking.
CHILD = (
    f"import os, resource, sys; sys.path[:] = {sys.path!r}; "
    "from ansible_collections.cspp.drover.plugins.module_utils.steward import fetching as it, main; "
)
ASKS = [sys.executable, "-c", CHILD + "main.main()", "fetch"]
TELLS = [
    sys.executable,
    "-c",
    CHILD + "it.perform = lambda ask: it.Answer(os.getuid(),"
    " open('/proc/self/status').read().split('NoNewPrivs:')[1].split()[0],"
    " repr((os.getgroups(), resource.getrlimit(resource.RLIMIT_NPROC))).encode()); main.main()",
    "fetch",
]


def test_a_process_of_its_own_asks_and_is_killed_when_its_time_is_over(odd: tuple[str, str]) -> None:
    answer = fetching.fetch(Ask(f"{odd[0]}/good", authority=odd[1]), ASKS, patience=60)
    assert answer.body == b'{"path": "/good"}'
    answer = fetching.fetch(Ask(f"{odd[0]}/good", authority=odd[1], document={"x": [1]}), ASKS, patience=60)
    assert (answer.status, answer.body) == (400, b'{"x": [1]}')
    with pytest.raises(Unfetched, match="answers with more than"):
        fetching.fetch(Ask(f"{odd[0]}/huge", authority=odd[1]), ASKS, patience=60)
    with pytest.raises(Unfetched, match=r"does not answer within 1 s"):
        fetching.fetch(Ask(f"{odd[0]}/drip", authority=odd[1]), ASKS, patience=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root has nothing to give up")
def test_that_process_is_nobody_and_may_do_nothing(odd: tuple[str, str]) -> None:
    answer = fetching.fetch(Ask(odd[0]), TELLS, patience=60)
    assert (answer.status, answer.kind, answer.body) == (pwd.getpwnam("nobody").pw_uid, "1", b"([], (0, 0))")


@pytest.mark.parametrize(
    "script", ["print('x' * 10_000_000)", "print('[')", "print('{}')", 'print(\'{"status": 1, "kind": 2, "body": 3}\')']
)
def test_whatever_that_process_says_the_steward_takes_no_harm(script: str) -> None:
    with pytest.raises(Unfetched, match="ends the process that asks it"):
        fetching.fetch(Ask("https://a/"), [sys.executable, "-S", "-c", script], patience=60)
