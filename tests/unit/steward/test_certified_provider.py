# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in by a provider that others wrote and had certified: over TLS, through its own pages, and what goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.steward import fetching
from ansible_collections.cspp.drover.plugins.module_utils.steward.discovery import Discovery
from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import Answer, Ask
from ansible_collections.cspp.drover.plugins.module_utils.steward.sign_on import SignOn

from .certified_provider import Browser, CertifiedProvider, certified, running
from .conftest import House
from .strict_provider import CLIENT, SECRET

URL = "https://console:8443"
RETURNS = f"{URL}/oidc"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "console.md"
Declare = Callable[..., Path]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertifiedProvider]:
    with running(tmp_path_factory.mktemp("certified"), RETURNS) as found:
        yield found


class Visit:
    """A house whose console has this provider declared, and somebody who comes with a browser. ``asked`` are the URLs
    that the steward has asked for."""

    def __init__(self, house: House, provider: CertifiedProvider, write: Declare) -> None:
        self.house, self.provider, self._write = house, provider, write
        self.asked: list[str] = []
        self.browser = Browser(provider, RETURNS)
        house.clock.now = time.time()
        self.declare()
        self.another_node()

    def declare(self, **more: Any) -> None:
        said = {"issuer": self.provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "urls": [URL]}
        groups = {"members": "viewer", "wheel": "operator"}
        self._write(oidc={**said, "ca": self.provider.authority, "groups": groups, **more})

    def another_node(self) -> None:
        """Go on at a node that has asked the provider nothing yet, and has ended no log-in."""
        house = self.house
        discovery = Discovery(self._fetch, house.clock)
        declared = house.steward.identity.declared
        house.steward.sign_on = SignOn(declared, lambda: house.keys, house.ledger, discovery=discovery, now=house.clock)

    def _fetch(self, ask: Ask) -> Answer:
        self.asked.append(ask.url.removeprefix(self.provider.issuer))
        return fetching.perform(ask)

    def begun(self, name: str = "a-1") -> dict[str, str]:
        """What the browser has when somebody comes back who has logged in with this name."""
        said = self.house.ask("oidc_begin", url=URL)
        return {"pending": said["pending"], **self.browser.log_in(said["location"], name)}

    def log_in(self, name: str = "a-1") -> tuple[str, str]:
        """The user and the role that come of it."""
        said = self.house.ask("oidc_end", **self.begun(name))
        return said["user"], said["role"]

    def refused(self, code: str, words: str, said: dict[str, str] | None = None) -> None:
        trouble = self.house.refusal("oidc_end", **(said or self.begun()))
        assert (trouble.code, words in trouble.cause, bool(trouble.remedy)) == (code, True, True), trouble.cause
        assert SECRET not in f"{trouble.cause}{trouble.remedy}"


@pytest.fixture
def visit(house: House, server: CertifiedProvider, declared: Declare) -> Visit:
    server.become()
    return Visit(house, server, declared)


def test_the_documentation_says_what_is_tried() -> None:
    assert f"`oidc-provider` {certified()}" in DOCS.read_text()


@pytest.mark.parametrize(
    ("algorithm", "in_token"),
    [("RS256", False), ("PS256", True), ("ES256", True), ("ES384", False), ("ES512", False), ("EdDSA", True)],
)
def test_somebody_logs_in_on_its_own_pages(visit: Visit, algorithm: str, in_token: bool) -> None:
    visit.provider.become((algorithm, algorithm), in_token=in_token)
    said = visit.house.ask("oidc_end", **visit.begun())
    assert (said["user"], said["role"]) == ("oidc:ann", "operator")
    assert visit.house.ask("whoami", said["session"])["role"] == "operator"
    assert visit.browser.pages == ["login", "consent"]
    assert visit.asked == ["/.well-known/openid-configuration", "/token", "/jwks", *([] if in_token else ["/me"])]
    [entry] = [entry for entry in visit.house.ledger.book.entries() if entry["kind"] == "log-in"]
    assert (entry["by"], entry["subject"]) == ("oidc:ann", "a-1")
    # The provider knows them the next time, and shows no page.
    assert visit.log_in() == ("oidc:ann", "operator")
    assert len(visit.browser.pages) == 2


def test_roles_are_found_the_way_to_them(visit: Visit) -> None:
    visit.declare(groups_claim="realm_access.roles")
    assert visit.log_in("d-4") == ("oidc:dee", "operator")


@pytest.mark.parametrize("name", ["b-2", "c-3"])
def test_who_is_in_no_group_that_has_a_role_does_not_get_in(visit: Visit, name: str) -> None:
    visit.refused("no_role", "none has a role here", visit.begun(name))


def test_a_client_tells_its_secret_in_the_way_that_is_taken(visit: Visit) -> None:
    visit.provider.become(method="client_secret_post")
    assert visit.log_in() == ("oidc:ann", "operator")


def test_a_code_is_taken_once_whichever_node_is_asked(visit: Visit) -> None:
    said = visit.begun()
    visit.house.ask("oidc_end", **said)
    visit.refused("sign_on_refused", "has been ended before", said)
    visit.another_node()
    visit.refused("sign_on_refused", "does not take its code", said)


def test_a_code_is_taken_only_of_who_began(visit: Visit) -> None:
    one, other = visit.begun(), visit.begun()
    visit.refused("sign_on_refused", "does not take its code", {**one, "code": other["code"]})


def test_a_wrong_secret_is_told_from_a_provider_that_is_away(visit: Visit) -> None:
    visit.declare(client_secret="another")
    visit.refused("provider_failed", "answers with 401, invalid_client")
    trouble = visit.house.refusal("oidc_end", **visit.begun())
    assert "console_oidc.client_secret" in trouble.remedy
    visit.declare()
    assert visit.log_in() == ("oidc:ann", "operator")


def test_its_keys_change_under_a_log_in(visit: Visit) -> None:
    visit.log_in()
    said = visit.begun()
    visit.provider.become(("k2", "ES256"), ("k1", "ES256"))
    # It is asked for keys once a minute at most, whatever tokens name.
    visit.refused("sign_on_refused", "no key of the provider's")
    visit.house.clock.now += 60
    assert visit.house.ask("oidc_end", **said)["role"] == "operator"
    assert visit.asked.count("/jwks") == 2


def test_tokens_signed_by_the_secret_are_refused_and_it_is_told(visit: Visit) -> None:
    visit.provider.become(alg="HS256")
    visit.refused("sign_on_refused", "signed by 'HS256', which is not taken")


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (-120, "is of a time to come: or this node's clock is wrong"),
        (4200, "has expired: or this node's clock is wrong"),
    ],
)
def test_a_clock_that_is_wrong_is_told(visit: Visit, apart: float, words: str) -> None:
    visit.house.clock.now += apart / 4
    if apart < 0:
        assert visit.log_in() == ("oidc:ann", "operator")
    visit.house.clock.now += apart * 3 / 4
    visit.refused("sign_on_refused", words)


def test_a_provider_that_is_gone_is_told_at_both_ends_of_a_log_in(
    house: House, declared: Declare, tmp_path: Path
) -> None:
    with running(tmp_path, RETURNS) as provider:
        visit = Visit(house, provider, declared)
        said = visit.begun()
    visit.refused("provider_failed", "cannot be reached", said)
    visit.another_node()
    trouble = house.refusal("oidc_begin", url=URL)
    assert (trouble.code, "Log in with a password meanwhile" in trouble.remedy) == ("provider_failed", True)
