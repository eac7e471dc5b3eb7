# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in by a provider: the whole way, and what is refused on it, each with its reason and without a session."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.cspp.drover.plugins.module_utils.steward import sessions, sign_on
from ansible_collections.cspp.drover.plugins.module_utils.steward.discovery import Discovery
from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import Answer, Unfetched
from ansible_collections.cspp.drover.plugins.module_utils.steward.sign_on import SignOn
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble

from .conftest import FROM, THEIRS, House
from .strict_provider import KEY, OTHER, SECRET, StrictProvider, encoded, public
from .strict_provider import declared as declared_of

ISSUER, URL = "https://sso.example.org/realms/club", "https://console:8443"
CONFIGURATION = "/.well-known/openid-configuration"
Declare = Callable[..., Path]


@pytest.fixture
def strict(house: House, declared: Declare) -> StrictProvider:
    """A provider that the house believes."""
    provider = StrictProvider(ISSUER, f"{URL}/oidc", house.clock)
    declare(provider, declared)
    discovery = Discovery(provider.fetch, house.clock)
    identity = house.steward.identity
    house.steward.sign_on = SignOn(
        identity.declared, lambda: house.keys, house.ledger, discovery=discovery, now=house.clock
    )
    return provider


def declare(provider: StrictProvider, write: Declare, **more: Any) -> None:
    write(oidc=declared_of(provider, **more))


def begun(house: House, provider: StrictProvider) -> dict[str, str]:
    """What a browser has when it comes back."""
    said = house.ask("oidc_begin", url=URL)
    return {"pending": said["pending"], **provider.authorize(said["location"])}


def test_the_provider_says_who_somebody_is_and_its_groups_what_they_may(house: House, strict: StrictProvider) -> None:
    assert house.ask("ways") == {"oidc": {"name": "OpenID Connect"}}
    said = house.ask("oidc_end", **begun(house, strict))
    assert (said["user"], said["role"]) == ("oidc:ann", "operator")
    assert house.ask("whoami", said["session"])["role"] == "operator"
    told = [entry for entry in house.ledger.book.entries() if entry["kind"] == "log-in"]
    assert [(one["by"], one["result"], one["origin"], one["subject"]) for one in told] == [
        ("oidc:ann", "logged in", FROM, "f0e1")
    ]
    # Nothing of the provider's is asked for twice, and no node has to remember what another began.
    asked = list(strict.asked)
    house.steward.sign_on = SignOn(
        house.steward.identity.declared,
        lambda: [THEIRS, *house.keys],
        house.ledger,
        discovery=house.steward.sign_on._discovery,
        now=house.clock,
    )
    house.ask("oidc_end", **begun(house, strict))
    assert strict.asked == [*asked, "/token"]


def test_a_session_ends_with_the_trust_in_its_provider_and_its_roles_are_those_of_today(
    house: House, strict: StrictProvider, declared: Declare
) -> None:
    session = house.ask("oidc_end", **begun(house, strict))["session"]
    declare(strict, declared, groups={"wheel": "admin"})
    assert house.ask("whoami", session)["role"] == "admin"
    declare(strict, declared, client_id="another")
    assert "has changed since" in house.refusal("whoami", session).cause
    declared(oidc={})
    assert house.refusal("whoami", session).status == 401
    assert house.refusal("oidc_begin", url=URL).status == 404
    declare(strict, declared)
    for _hour in range(11):
        house.clock.now += 3600
        session = house.ask("whoami", session)["session"] or session
    house.clock.now += 3601
    assert house.refusal("whoami", session).status == 401


def text_of(key: Any) -> bytes:
    """The public key as an attacker would use it for an HMAC's."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


Bend = Callable[[StrictProvider, dict[str, Any]], None]


def claim(name: str, value: Any) -> Bend:
    """An ID token with another claim, or without it for None."""

    def bend(provider: StrictProvider, _said: dict[str, Any]) -> None:
        def change(_header: dict[str, Any], claims: dict[str, Any]) -> None:
            claims[name] = value(claims) if callable(value) else value
            if claims[name] is None:
                del claims[name]

        provider.bend = change

    return bend


def token(key: Any, **header: Any) -> Bend:
    """An ID token signed by another key, with another header."""

    def bend(provider: StrictProvider, _said: dict[str, Any]) -> None:
        provider.key, provider.bend = key, lambda ours, _claims: ours.update(header)

    return bend


def answer(path: str, told: Any) -> Bend:
    return lambda provider, _said: provider.told.__setitem__(path, told)


def brought(**said: Any) -> Bend:
    """Something else in the browser's hands; None for nothing."""

    def bend(_provider: StrictProvider, ours: dict[str, Any]) -> None:
        ours.update(said)
        for name in [name for name, value in said.items() if value is None]:
            del ours[name]

    return bend


def keys(*shown: dict[str, Any]) -> Bend:
    return lambda provider, _said: setattr(provider, "keys", list(shown))


def forged(part: str) -> Bend:
    """A token whose payload or signature is another's."""

    def bend(provider: StrictProvider, _said: dict[str, Any]) -> None:
        real = provider._token

        def swapped(ask: Any) -> tuple[int, dict[str, Any]]:
            status, said = real(ask)
            head, payload, signature = said["id_token"].split(".")
            claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
            payload = encoded(json.dumps({**claims, "groups": ["wheel"]}).encode()) if part == "payload" else payload
            signature = "" if part == "signature" else signature
            return status, {**said, "id_token": f"{head}.{payload}.{signature}"}

        provider._token = swapped  # type: ignore[method-assign]

    return bend


def both(*bends: Bend) -> Bend:
    def bend(provider: StrictProvider, said: dict[str, Any]) -> None:
        for one in bends:
            one(provider, said)

    return bend


SHORT = rsa.generate_private_key(65537, 1024)
REFUSED, FAILED = 401, 503
ATTACKS: dict[str, tuple[Bend, int, str]] = {
    "wrong issuer": (claim("iss", "https://evil.example"), REFUSED, "another issuer's"),
    "issuer with a slash more": (claim("iss", ISSUER + "/"), REFUSED, "another issuer's"),
    "another audience": (claim("aud", "another"), REFUSED, r"not for this console alone \(aud\)"),
    "one audience more": (claim("aud", lambda its: [its["aud"], "another"]), REFUSED, r"\(aud\)"),
    "no audience": (claim("aud", None), REFUSED, r"\(aud\)"),
    "another party": (claim("azp", "another"), REFUSED, r"another client \(azp\)"),
    "another nonce": (claim("nonce", "x" * 43), REFUSED, r"another log-in \(nonce\)"),
    "no nonce": (claim("nonce", None), REFUSED, r"\(nonce\)"),
    "a nonce that is no text": (claim("nonce", ["x"]), REFUSED, r"\(nonce\)"),
    "expired": (claim("exp", lambda its: its["iat"] - 61), REFUSED, "has expired"),
    "without an end": (claim("exp", None), REFUSED, "when it ends"),
    "an end that is true": (claim("exp", True), REFUSED, "when it ends"),
    "an end that is endless": (claim("exp", float("inf")), REFUSED, "when it ends"),
    "made tomorrow": (claim("iat", lambda its: its["iat"] + 86_400), REFUSED, "of a time to come"),
    "made an hour ago": (claim("iat", lambda its: its["iat"] - 3600), REFUSED, "an old one"),
    "not yet good": (claim("nbf", lambda its: its["iat"] + 3600), REFUSED, "of a time to come"),
    "about nobody": (claim("sub", ""), REFUSED, "whom it is about"),
    "alg none": (token(None, alg="none"), REFUSED, "signed by 'none'"),
    "alg None": (token(None, alg="None"), REFUSED, "signed by 'None'"),
    "alg HS256 by the public key": (token(text_of(KEY), alg="HS256"), REFUSED, "signed by 'HS256'"),
    "alg HS256 by the secret": (token(SECRET.encode(), alg="HS256"), REFUSED, "signed by 'HS256'"),
    "alg that is none": (token(KEY, alg=["ES256"]), REFUSED, "is not taken"),
    "another kind of key": (token(KEY, alg="RS256"), REFUSED, "no key of the provider's"),
    "another algorithm of its kind": (token(KEY, alg="ES384"), REFUSED, "no key of the provider's"),
    "a key of its own": (token(OTHER, jwk=public(OTHER)), REFUSED, "signature of its ID token"),
    "a key that is unknown": (token(OTHER, kid="k2"), REFUSED, "no key of the provider's"),
    "a key that is no text": (token(KEY, kid=7), REFUSED, "by no text"),
    "what it demands": (token(KEY, crit=["exp"]), REFUSED, "demands"),
    "another payload": (forged("payload"), REFUSED, "signature of its ID token"),
    "no signature": (forged("signature"), REFUSED, "signature of its ID token"),
    "two keys of one name": (keys(public(KEY), public(OTHER)), REFUSED, "more than one key"),
    "a key for encryption": (keys({**public(KEY), "use": "enc"}), REFUSED, "no key of the provider's"),
    "a key off the curve": (keys({**public(KEY), "x": public(OTHER)["x"]}), REFUSED, "signature of its ID token"),
    "a key too short": (both(token(SHORT), keys(public(SHORT))), REFUSED, "less than 2048 bits"),
    "keys without end": (keys(*[public(KEY)] * 65), FAILED, "no list of keys, or more than 64"),
    "no keys": (answer("/keys", {"keys": None}), FAILED, "no list of keys"),
    "no ID token": (answer("/token", {"id_token": None}), REFUSED, "gave no ID token"),
    "an ID token that is none": (answer("/token", {"id_token": "a.b"}), REFUSED, "gave no ID token"),
    "an ID token in no JSON": (answer("/token", {"id_token": "YQ.YQ.YQ"}), REFUSED, "header of its ID token"),
    "a page": (answer("/token", Answer(200, "text/html", b"<html>")), FAILED, "no JSON object"),
    "a list": (answer("/token", Answer(200, "application/json", b"[]")), FAILED, "no JSON object"),
    "JSON without end": (answer("/token", Answer(200, "application/json", b"[" * 99_999)), FAILED, "no JSON object"),
    "a refusal": (brought(code="of another"), REFUSED, "does not take its code"),
    "a refusal in many words": (
        answer("/token", Answer(400, "application/json", b'{"error": "call 0900-1234 now"}')),
        FAILED,
        "answers with 400$",
    ),
    "slow": (answer("/token", Unfetched("does not answer within 10 s")), FAILED, "does not answer within 10 s"),
    "another state": (brought(state="x" * 43), REFUSED, r"another log-in \(state\)"),
    "another browser": (brought(pending=""), REFUSED, "not begun by this browser"),
    "another cluster's beginning": (
        lambda _its, said: said.update(pending=sign_on._signed(sign_on._Pending("i", 1 << 40, URL, THEIRS))),
        REFUSED,
        "not begun by this browser",
    ),
    "a session for a beginning": (
        lambda _its, said: said.update(pending=sessions.signed(sessions.begin("a", "oidc", 0, ""), b"k" * 32)),
        REFUSED,
        "not begun by this browser",
    ),
    "mixed up": (brought(iss="https://evil.example"), REFUSED, r"another provider sent it \(iss\)"),
    "without its issuer, which it promised": (brought(iss=None), REFUSED, r"another provider sent it \(iss\)"),
    "somebody else's details": (
        both(claim("groups", None), answer("/userinfo", {"sub": "b"})),
        REFUSED,
        r"somebody else than its ID token \(userinfo\)",
    ),
    "no groups": (claim("groups", None), 403, "of your groups .* none has a role here"),
    "groups of no role": (claim("groups", ["chess"]), 403, "none has a role here"),
    "groups that are none": (claim("groups", [{"wheel": 1}, 7]), 403, "none has a role here"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_for_its_reason_and_begins_no_session(
    house: House, strict: StrictProvider, name: str
) -> None:
    bend, status, why = ATTACKS[name]
    said = begun(house, strict)
    bend(strict, said)
    trouble = house.refusal("oidc_end", **said)
    assert trouble.status == status
    assert re.search(why, trouble.cause), trouble.cause
    assert trouble.remedy
    assert SECRET not in str(trouble)
    assert "logged in" not in [entry["result"] for entry in house.ledger.book.entries()]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"issuer": ISSUER + "/"}, "calls itself otherwise"),
        ({"token_endpoint": "http://sso.example.org/token"}, "names no token_endpoint of https"),
        ({"jwks_uri": "file:///etc/shadow"}, "names no jwks_uri of https"),
        ({"authorization_endpoint": None}, "names no authorization_endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not take PKCE with S256"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "takes no client secret"),
    ],
)
def test_a_provider_that_says_what_cannot_be_is_not_gone_to(
    house: House, strict: StrictProvider, told: dict[str, Any], why: str
) -> None:
    strict.told[CONFIGURATION] = told
    trouble = house.refusal("oidc_begin", url=URL)
    assert (trouble.status, why in trouble.cause) == (503, True), trouble.cause


def test_a_log_in_ends_once_and_in_time(house: House, strict: StrictProvider) -> None:
    said = begun(house, strict)
    strict.codes["again"] = strict.codes[said["code"]]
    house.ask("oidc_end", **said)
    assert "has been ended before (state)" in house.refusal("oidc_end", **{**said, "code": "again"}).cause
    late = begun(house, strict)
    house.clock.now += 600
    assert "more than 10 minutes" in house.refusal("oidc_end", **late).cause


def test_a_page_at_an_address_that_is_not_declared_is_told_where_to_go(house: House, strict: StrictProvider) -> None:
    for url in ("https://evil.example", f"{URL}/", f"{URL}.evil.example", "http://console:8443"):
        trouble = house.refusal("oidc_begin", url=url)
        assert (trouble.status, URL in trouble.remedy) == (422, True)
    assert strict.asked == []


def test_a_new_key_is_found_and_nobody_has_the_provider_asked_all_the_time(
    house: House, strict: StrictProvider
) -> None:
    house.ask("oidc_end", **begun(house, strict))
    strict.key, strict.keys = OTHER, [public(KEY), public(OTHER, "k2")]
    strict.bend = lambda header, _claims: header.update(kid="k2")
    house.clock.now += 61
    assert house.ask("oidc_end", **begun(house, strict))["role"] == "operator"
    before = strict.asked.count("/keys")
    strict.bend = lambda header, _claims: header.update(kid="k3")
    for _time in range(5):
        assert house.refusal("oidc_end", **begun(house, strict)).status == REFUSED
    assert (before, strict.asked.count("/keys")) == (2, 2)


def test_a_provider_that_fails_is_left_alone_for_a_moment(house: House, strict: StrictProvider) -> None:
    strict.told[CONFIGURATION] = Unfetched("cannot be reached: no route")
    for _time in range(3):
        trouble = house.refusal("oidc_begin", url=URL)
        assert (trouble.status, trouble.code) == (503, "provider_failed")
    assert strict.asked == [CONFIGURATION]
    del strict.told[CONFIGURATION]
    house.clock.now += 15
    assert house.ask("oidc_begin", url=URL)["location"].startswith(ISSUER)


def test_who_fails_too_often_is_shut_out_there(house: House, strict: StrictProvider, declared: Declare) -> None:
    for _try in range(20):
        said = {**begun(house, strict), "state": "x" * 43}
        assert house.refusal("oidc_end", **said).status == REFUSED
    assert house.refusal("oidc_end", **begun(house, strict)).code == "locked_out"


def test_a_slow_provider_holds_up_few(house: House, strict: StrictProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    said = begun(house, strict)
    monkeypatch.setattr(house.steward.sign_on, "_free", threading.BoundedSemaphore(1))
    with house.steward.sign_on._free:
        assert house.refusal("oidc_begin", url=URL).code == "busy"
        assert house.refusal("oidc_end", **said).code == "busy"
    assert house.ask("oidc_end", **said)["role"] == "operator"


def test_groups_may_be_told_in_the_second_answer_and_deep_in_it(
    house: House, strict: StrictProvider, declared: Declare
) -> None:
    declare(strict, declared, groups_claim="realm_access.roles", user_claim="nickname")
    strict.more = {"realm_access": {"roles": ["wheel"]}, "nickname": "a\x00b", "iss": "another"}
    said = house.ask("oidc_end", **begun(house, strict))
    # A name that is none gives way to the one that there always is.
    assert (said["user"], said["role"]) == ("oidc:f0e1", "operator")


def test_a_client_may_have_to_say_its_secret_in_the_form(house: House, strict: StrictProvider) -> None:
    strict.told[CONFIGURATION] = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert house.ask("oidc_end", **begun(house, strict))["role"] == "operator"


def test_keys_of_rsa_are_taken(house: House, strict: StrictProvider) -> None:
    strict.key = rsa.generate_private_key(65537, 2048)
    strict.keys = [public(strict.key, "k1"), public(OTHER, "k2")]
    assert house.ask("oidc_end", **begun(house, strict))["role"] == "operator"


@pytest.mark.parametrize("said", [{"code": "é"}, {"state": "x" * 4097}, {"pending": "\x00"}])
def test_what_no_provider_gives_is_told_from_what_it_does(
    house: House, strict: StrictProvider, said: dict[str, str]
) -> None:
    assert house.refusal("oidc_end", **{**begun(house, strict), **said}).status == 422


def test_without_a_provider_there_is_no_such_log_in(house: House) -> None:
    with pytest.raises(Trouble, match="no provider is declared"):
        house.ask("oidc_end", pending="a", state="b", code="c")
    assert house.ask("ways") == {"oidc": None}
