# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in by an OpenID Connect provider: the code flow with PKCE (RFC 7636), state and nonce.

What has to be remembered from the beginning of a log-in to its end, the browser keeps, in a cookie: a number and the
time, signed. State, nonce and PKCE's verifier are made of that number with the cluster's key, so that none of them lies
anywhere, and any node can end what another began.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from . import id_token, sessions
from .access import Access
from .discovery import Discovery, Endpoints, asked
from .fetching import Ask
from .id_token import refused
from .identity import opened
from .lockout import Lockout
from .provider import RETURN, ROLES, Provider
from .records import Ledger
from .trouble import Trouble, invalid, unknown

__all__ = ["SignOn"]

#: Seconds for somebody to log in at the provider.
_PATIENCE = 600
#: Tries that failed, of one address within five minutes, and log-ins at a time.
_LIMITS = {"address": 20}
_TOGETHER = 4
#: Log-ins whose end is remembered, so that none ends twice; groups that a session carries.
_MOST, _MOST_GROUPS = 10_000, 16
_LONGEST_NAME, _LONGEST = 64, 4096


@dataclass(frozen=True)
class _Pending:
    """A log-in that was begun at the page of this ``url``. ``key`` is the one it was signed with."""

    id: str
    end: int
    url: str
    key: bytes

    def made(self, what: str) -> str:
        """Its state, nonce or verifier: 43 characters that tell nothing of each other."""
        return sessions.mac(what, self.id, self.key)


class SignOn:
    """Log-ins by the provider that is declared, if one is."""

    def __init__(
        self,
        declared: Callable[[], Access],
        keys: Callable[[], Sequence[bytes]],
        ledger: Ledger,
        *,
        discovery: Discovery | None = None,
        lockout: Lockout | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._declared, self._keys, self._ledger, self._now = declared, keys, ledger, now
        self._discovery = discovery or Discovery()
        self._lockout = lockout or Lockout(limits=_LIMITS)
        self._free = threading.BoundedSemaphore(_TOGETHER)
        self._lock = threading.Lock()
        self._ended: dict[str, int] = {}

    def ways(self) -> dict[str, Any]:
        """How people log in beside by a password: what the button says, None without a provider."""
        provider = self._declared().provider
        return {"oidc": {"name": provider.name} if provider else None}

    def begin(self, url: str) -> dict[str, Any]:
        """Begin a log-in of somebody whose page is at ``url``: where to send their browser, and what it is to keep.
        Raises Trouble."""
        provider = self._provider()
        if url not in provider.urls:
            remedy = f"Open the page at {' or '.join(provider.urls)}, or add this one to console_oidc.urls."
            raise invalid(f"the provider sends nobody back to {url[:200]!r}", remedy)
        with self._turn():
            endpoints = self._discovery.endpoints(provider)
        pending = _Pending(secrets.token_urlsafe(24), int(self._now()) + _PATIENCE, url, self._keys()[0])
        challenge = hashlib.sha256(pending.made("verifier").encode()).digest()
        said = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": url + RETURN,
            "scope": " ".join(provider.scopes),
            "state": pending.made("state"),
            "nonce": pending.made("nonce"),
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        place = endpoints.authorization
        return {"location": f"{place}{'&' if '?' in place else '?'}{urlencode(said)}", "pending": _signed(pending)}

    def end(self, said: Mapping[str, str], origin: str) -> dict[str, Any]:
        """End a log-in, with what the provider gave the browser (``state``, ``code``, ``iss``) and what that has kept
        (``pending``): a new session. Raises Trouble."""
        if not all(one.isascii() and one.isprintable() and len(one) <= _LONGEST for one in said.values()):
            raise invalid(f"what a provider gives is up to {_LONGEST} visible ASCII characters")
        provider = self._provider()
        begun, key = self._now(), self._keys()[0]
        with self._turn():
            one = self._lockout.take("", origin)
            name, claims = self._person(provider, said)
        groups = sorted(
            (group for group in _groups(claims, provider.groups_claim) if group in provider.groups),
            key=lambda group: (-ROLES.index(provider.groups[group]), group),
        )
        role = provider.role_of(groups)
        if role == ROLES[0]:
            self._ledger.audit("log-in", name, origin, "refused: no role", at=begun, subject=claims["sub"])
            told = f"of your groups (claim {provider.groups_claim!r}) none has a role here"
            remedy = "Somebody who declares console_oidc.groups, or your groups at the provider, can change that."
            raise Trouble("no_role", 403, f"the provider knows you as {name.partition(':')[2]}; {told}", remedy=remedy)
        self._lockout.succeeded(one)
        session = sessions.begin(name, "oidc", self._now(), provider.fingerprint, groups[:_MOST_GROUPS])
        self._ledger.audit("log-in", name, origin, "logged in", at=begun, subject=claims["sub"])
        return opened(session, role, key)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One of few that may wait for the provider: however slow that is, the steward has time for others. Raises
        Trouble."""
        if not self._free.acquire(blocking=False):
            raise Trouble("busy", 503, f"{_TOGETHER} log-ins are under way", remedy="Try again in a moment.")
        try:
            yield
        finally:
            self._free.release()

    def _provider(self) -> Provider:
        provider = self._declared().provider
        if provider is None:
            raise unknown("no provider is declared for log-ins", "Log in with a password, or declare console_oidc.")
        return provider

    def _person(self, provider: Provider, said: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
        """Whom the provider vouches for: their name and their claims. Raises Trouble."""
        pending = self._pending(said)
        endpoints = self._discovery.endpoints(provider)
        if said.get("iss", provider.issuer) != provider.issuer or (endpoints.tells_issuer and "iss" not in said):
            raise refused("another provider sent it (iss)")
        self._once(pending)
        told = asked(self._discovery.fetch, provider, _exchange(provider, endpoints, pending, said["code"]))
        claims = id_token.verified(
            told.get("id_token"),
            lambda name: self._discovery.keys(provider, name),
            provider,
            pending.made("nonce"),
            self._now(),
        )
        wanted = [name for name in (provider.groups_claim, provider.user_claim) if _claim(claims, name) is None]
        if wanted and endpoints.userinfo and isinstance(told.get("access_token"), str):
            claims = {**self._more(provider, endpoints, told["access_token"], claims["sub"]), **claims}
        name = _claim(claims, provider.user_claim)
        fit = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
        # Nobody whom the inventory or the nodes know is called so.
        return f"oidc:{name if fit else claims['sub']}", claims

    def _more(self, provider: Provider, endpoints: Endpoints, access: str, subject: str) -> Mapping[str, Any]:
        """What some providers tell of people in a second answer alone."""
        if not access.isascii() or not access.isprintable():
            raise refused("its access token is none")
        headers = {"Authorization": f"Bearer {access}"}
        more = asked(self._discovery.fetch, provider, Ask(endpoints.userinfo, None, headers, provider.authority))
        if more.get("sub") != subject:
            raise refused("it tells of somebody else than its ID token (userinfo)")
        return more

    def _pending(self, said: Mapping[str, str]) -> _Pending:
        """The log-in that the browser has kept, and that the provider's answer is to. Raises Trouble."""
        pending = _read(said["pending"], self._keys())
        if pending is None:
            raise refused("it was not begun by this browser")
        if self._now() >= pending.end:
            raise refused(f"it took more than {_PATIENCE // 60} minutes")
        if not hmac.compare_digest(pending.made("state").encode(), said["state"].encode()):
            raise refused("it is the answer to another log-in (state)")
        return pending

    def _once(self, pending: _Pending) -> None:
        """Let each log-in end once. The code that it brings is the provider's to take once, on whatever node."""
        now = self._now()
        with self._lock:
            self._ended = {one: end for one, end in self._ended.items() if end > now}
            if pending.id in self._ended:
                raise refused("it has been ended before (state)")
            if len(self._ended) >= _MOST:
                raise Trouble("busy", 503, "too many have logged in of late", remedy="Try again in ten minutes.")
            self._ended[pending.id] = pending.end


def _exchange(provider: Provider, endpoints: Endpoints, pending: _Pending, code: str) -> Ask:
    """The request that makes an ID token of a code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": pending.url + RETURN,
        "code_verifier": pending.made("verifier"),
    }
    headers = {}
    if endpoints.basic:
        # Each half is encoded as in a form before (RFC 6749, 2.3.1).
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
    return Ask(endpoints.token, form, headers, provider.authority)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the way to it: ``realm_access.roles``. None without."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _groups(claims: Mapping[str, Any], name: str) -> set[str]:
    found = _claim(claims, name)
    return {one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)}


def _signed(pending: _Pending) -> str:
    said = json.dumps({"i": pending.id, "e": pending.end, "u": pending.url}, separators=(",", ":"))
    body = base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")
    return f"{body}.{sessions.mac('pending', body, pending.key)}"


def _read(text: str, keys: Sequence[bytes]) -> _Pending | None:
    body, _dot, signature = text.partition(".")
    for key in keys:
        if signature.isascii() and hmac.compare_digest(sessions.mac("pending", body, key), signature):
            said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            return _Pending(said["i"], said["e"], said["u"], key)
    return None
