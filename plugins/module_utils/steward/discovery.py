# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a provider says of itself (OpenID Connect Discovery 1.0) and its keys (RFC 7517), each asked for once in a
while: nobody can have the steward ask more often, neither by log-ins nor by tokens of keys there are not.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import fetching
from .fetching import Answer, Ask, Unfetched
from .id_token import refused
from .judging import https
from .provider import Provider
from .trouble import Trouble

__all__ = ["Discovery", "Endpoints", "Fetch", "asked", "failed"]

Fetch = Callable[[Ask], Answer]
#: Seconds that an answer is good for, that a failure is, and between two looks for a key that was not there.
_GOOD, _BAD, _AGAIN = 3600.0, 15.0, 60.0
#: Keys that are looked at.
_MOST_KEYS = 64
#: What has to be so for a provider to answer, where nothing tells more.
_REACHED = "the nodes reach it, and that console_oidc is what it was told"
#: Media types of JSON: any answer's, and that of keys (RFC 7517, 8.5).
_JSON = ("application/json", "application/jwk-set+json")


@dataclass(frozen=True)
class Endpoints:
    """Where a provider is asked what. ``basic``: it is told the client's secret in a header, else in the form.
    ``tells_issuer``: it does so when it sends people back (RFC 9207). ``userinfo`` is empty where there is none."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    basic: bool
    tells_issuer: bool


class Discovery:
    """What is known of the provider that is declared now."""

    def __init__(self, fetch: Fetch = fetching.fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self.fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._of: Provider | None = None
        self._known: dict[str, tuple[float, Any]] = {}

    def endpoints(self, provider: Provider) -> Endpoints:
        """Where the provider is asked what. Raises Trouble."""
        url = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        found: Endpoints = self._kept(provider, url, lambda said: _endpoints(said, provider), _GOOD)
        return found

    def keys(self, provider: Provider, name: str | None) -> list[Mapping[str, Any]]:
        """The provider's keys, asked for anew when one of this name is not among them. Raises Trouble."""
        url = self.endpoints(provider).keys
        found: list[Mapping[str, Any]] = self._kept(provider, url, lambda said: _keys(said, provider), _GOOD)
        if name is not None and all(key.get("kid") != name for key in found):
            found = self._kept(provider, url, lambda said: _keys(said, provider), _AGAIN)
        return found

    def _kept(self, provider: Provider, url: str, read: Callable[[Mapping[str, Any]], Any], good: float) -> Any:
        """What was read of a URL's answer, or the Trouble that came of it, if it is not older than it is good for."""
        with self._lock:
            if self._of != provider:
                self._of, self._known = provider, {}
            when, what = self._known.get(url, (0.0, None))
            age = self._clock() - when
            if what is None or age >= (_BAD if isinstance(what, Trouble) else good):
                try:
                    what = read(asked(self.fetch, provider, Ask(url, authority=provider.authority)))
                except Trouble as trouble:
                    what = trouble
                self._known[url] = (self._clock(), what)
        if isinstance(what, Trouble):
            raise Trouble(what.code, what.status, what.cause, remedy=what.remedy)
        return what


def asked(fetch: Fetch, provider: Provider, ask: Ask) -> Mapping[str, Any]:
    """The JSON object that the provider answers. Raises Trouble."""
    try:
        answer = fetch(ask)
    except Unfetched as error:
        raise failed(provider, error.cause) from error
    try:
        said = json.loads(answer.body) if answer.kind in _JSON else None
    except (ValueError, RecursionError):
        said = None
    if answer.status != 200:
        # Its own word for what is wrong (RFC 6749, 5.2), and none of its sentences.
        word = str(said.get("error", "")) if isinstance(said, dict) else ""
        told = f", {word}" if word.replace("_", "").isalnum() and word.isascii() and len(word) < 64 else ""
        raise _denied(provider, f"answers with {answer.status}{told}", word)
    if not isinstance(said, dict):
        raise failed(provider, "answers with no JSON object")
    return said


def failed(provider: Provider, why: str, see: str = _REACHED) -> Trouble:
    """The refusal for want of a provider that can be asked. ``see`` is what has to be so."""
    remedy = f"Log in with a password meanwhile; see that {see}."
    return Trouble("provider_failed", 503, f"the provider {provider.issuer} {why}", remedy=remedy)


def _denied(provider: Provider, why: str, word: str) -> Trouble:
    """The refusal for an error that the provider answers with this word."""
    if word == "invalid_grant":
        return refused("the provider does not take its code: it was used before, is too old, or is another log-in's")
    # The standard's word for a wrong secret, and Keycloak's.
    if word in ("invalid_client", "unauthorized_client"):
        return failed(provider, why, "console_oidc.client_id and console_oidc.client_secret are what it has given")
    return failed(provider, why)


def _endpoints(said: Mapping[str, Any], provider: Provider) -> Endpoints:
    if said.get("issuer") != provider.issuer:
        raise failed(provider, "calls itself otherwise: console_oidc.issuer is to be what it writes, to the letter")
    where = {name: said.get(name, "") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    where["userinfo_endpoint"] = said.get("userinfo_endpoint") or ""
    for name, url in where.items():
        optional = name == "userinfo_endpoint" and url == ""
        if not optional and not (isinstance(url, str) and https(url)):
            raise failed(provider, f"names no {name} of https")
    # What it does not say has a meaning of its own, but for PKCE, where it means that nobody knows.
    ways = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    challenges = said.get("code_challenge_methods_supported", ["S256"])
    if not isinstance(ways, list) or not {"client_secret_basic", "client_secret_post"} & set(map(str, ways)):
        raise failed(provider, "takes no client secret, neither client_secret_basic nor client_secret_post")
    if not isinstance(challenges, list) or "S256" not in challenges:
        raise failed(provider, "does not take PKCE with S256")
    authorization, token, keys, userinfo = where.values()
    return Endpoints(
        authorization,
        token,
        keys,
        userinfo,
        basic="client_secret_basic" in ways,
        tells_issuer=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _keys(said: Mapping[str, Any], provider: Provider) -> list[Mapping[str, Any]]:
    keys = said.get("keys")
    if not isinstance(keys, list) or len(keys) > _MOST_KEYS or not all(isinstance(key, dict) for key in keys):
        raise failed(provider, f"shows no list of keys, or more than {_MOST_KEYS}")
    return keys
