# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An OpenID Connect provider that insists on everything: what it is asked in another way than the standards have it is
refused. What it answers can be bent, to be attacks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ansible_collections.cspp.drover.plugins.module_utils.steward.fetching import Answer, Ask
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki

#: What it knows of the person who logs in, and the client's name and secret, which have what has to be encoded.
PERSON = {"sub": "f0e1", "preferred_username": "ann", "groups": ["members", "wheel", "chess"]}
CLIENT, SECRET = "drover: the console", "s3cret+%/"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def signed(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    """A token, by a private key or, of an HMAC, by its bytes; without a signature for None."""
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    elif isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = hmac.digest(key, text.encode(), hashlib.sha256) if key else b""
    return f"{text}.{encoded(signature)}"


def public(key: Any, name: str = "k1") -> dict[str, Any]:
    """The key as it is shown (RFC 7517)."""
    numbers = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"kty": "RSA", "kid": name, "use": "sig", "n": number(numbers.n), "e": number(numbers.e)}
    point = {"x": encoded(numbers.x.to_bytes(32, "big")), "y": encoded(numbers.y.to_bytes(32, "big"))}
    return {"kty": "EC", "kid": name, "use": "sig", "alg": "ES256", "crv": "P-256", **point}


@dataclass
class StrictProvider:
    """One of these, with one client. ``bend`` changes an ID token's header and claims, ``told`` what it answers at a
    path; ``asked`` are the paths that it was asked for."""

    issuer: str
    returns: str
    clock: Callable[[], float]
    key: Any = KEY
    keys: list[dict[str, Any]] = field(default_factory=lambda: [public(KEY)])
    bend: Callable[[dict[str, Any], dict[str, Any]], None] = lambda _header, _claims: None
    told: dict[str, Any] = field(default_factory=dict)
    person: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    more: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, location: str) -> dict[str, str]:
        """What somebody's browser brings back who was sent there and has logged in."""
        assert location.startswith(f"{self.issuer}/authorize?")
        asked = dict(parse_qsl(urlsplit(location).query, strict_parsing=True))
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT, self.returns)
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        # 256 bits each, and none of them another.
        made = [asked[name] for name in ("state", "nonce", "code_challenge")]
        assert [len(one) for one in made] == [43, 43, 43]
        assert len(set(made)) == 3
        code = f"code{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def fetch(self, ask: Ask) -> Answer:
        """What it answers."""
        path = ask.url.removeprefix(self.issuer)
        self.asked.append(path)
        told = self.told.get(path)
        if isinstance(told, Exception):
            raise told
        if isinstance(told, Answer):
            return told
        status, said = {
            "/.well-known/openid-configuration": lambda _ask: (200, self._itself()),
            "/keys": lambda _ask: (200, {"keys": self.keys}),
            "/token": self._token,
            "/userinfo": self._userinfo,
        }[path](ask)
        if isinstance(told, dict):
            said = {name: value for name, value in {**said, **told}.items() if value is not None}
        return Answer(status, "application/json", json.dumps(said).encode())

    def _itself(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo"}
        return {
            "issuer": self.issuer,
            **{name: f"{self.issuer}/{place}" for name, place in places.items()},
            "jwks_uri": f"{self.issuer}/keys",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _token(self, ask: Ask) -> tuple[int, dict[str, Any]]:
        form = dict(ask.form or {})
        given = base64.b64decode(ask.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if not given:
            given = f"{form.pop('client_id', '')}:{form.pop('client_secret', '')}"
            who = tuple(given.rsplit(":", 1))
        else:
            who = tuple(unquote_plus(half) for half in given.split(":", 1))
        asked = self.codes.pop(form.get("code", ""), None)
        if who != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        challenge = encoded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        right = asked and (challenge, form["redirect_uri"]) == (asked["code_challenge"], self.returns)
        if not asked or not right or form["grant_type"] != "authorization_code":
            return 400, {"error": "invalid_grant"}
        now = self.clock()
        times = {"iat": int(now), "exp": int(now) + 300}
        claims = {"iss": self.issuer, "aud": CLIENT, "nonce": asked["nonce"], **times, **self.person}
        header = {"alg": "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256", "kid": "k1"}
        self.bend(header, claims)
        token = signed(header, claims, self.key)
        return 200, {"id_token": token, "access_token": "access", "token_type": "Bearer"}

    def _userinfo(self, ask: Ask) -> tuple[int, dict[str, Any]]:
        if ask.headers.get("Authorization") != "Bearer access":
            return 401, {"error": "invalid_token"}
        return 200, {"sub": self.person["sub"], **self.more}


def declared(provider: StrictProvider, **more: Any) -> dict[str, Any]:
    """console_oidc for it."""
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "urls": [provider.returns.removesuffix("/oidc")],
        "groups": {"members": "viewer", "wheel": "operator"},
        **more,
    }


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], folder: Path, address: str = "127.0.0.1"
) -> Iterator[tuple[str, str]]:
    """A server over TLS at an address of this machine: its URL, and the authority that vouches for it."""
    authority = pki.new_authority("console-ca")
    texts = pki.issue(authority, "provider", ["provider"], [address], 1)
    pair = folder / "provider.pem"
    pair.write_text("".join(texts))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    with ThreadingHTTPServer((address, 0), handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://{address}:{server.server_address[1]}", authority[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(
    folder: Path, returns: str, clock: Callable[[], float], address: str = "127.0.0.1"
) -> Iterator[tuple[StrictProvider, str]]:
    """The provider over TLS, where everybody is logged in already, and the authority that vouches for it."""
    provider = StrictProvider("", returns, clock)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, ask: Ask) -> None:
            answer = provider.fetch(ask)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def do_GET(self) -> None:
            url = f"{provider.issuer}{self.path}"
            if not self.path.startswith("/authorize?"):
                self._answer(Ask(url, None, dict(self.headers)))
                return
            back = provider.authorize(url)
            self.send_response(302)
            self.send_header("Location", f"{provider.returns}?{urlencode(back)}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(Ask(f"{provider.issuer}{self.path}", dict(parse_qsl(body)), dict(self.headers)))

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    with listening(Handler, folder, address) as (provider.issuer, authority):
        yield provider, authority
