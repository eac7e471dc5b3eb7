# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ID tokens, verified as OpenID Connect Core 1.0, 3.1.3.7, has it, and more strictly where it leaves a choice.

The signature is python3-authlib's work, whose other half, that reads claims, is not used: what is checked stands here.
It is loaded by who logs in by a provider, and by nobody else.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .provider import Provider
from .trouble import Trouble

__all__ = ["refused", "verified"]

#: The algorithms that are taken, and the kind of key that each takes: no "none", and none whose key is the secret.
_ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
#: Seconds that two clocks may differ, and that a token may be old.
_APART, _OLDEST = 60, 600
#: Characters of a token, and bits of an RSA key at least.
_LONGEST, _SHORTEST_KEY = 64 << 10, 2048

Keys = Callable[[str | None], Sequence[Mapping[str, Any]]]


def verified(token: object, keys: Keys, provider: Provider, nonce: str, now: float) -> Mapping[str, Any]:
    """The claims of a token. ``keys`` gives the provider's, one of that name among them if there is one. Raises
    Trouble."""
    if not isinstance(token, str) or not token.isascii() or len(token) > _LONGEST or token.count(".") != 2:
        raise refused("the provider gave no ID token")
    header = _object(token.partition(".")[0], "header")
    claims = _object(token.split(".")[1], "payload")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise refused(f"its ID token is signed by {str(algorithm)[:20]!r}, which is not taken")
    if "crit" in header:
        raise refused("its ID token demands what this console does not know")
    _signed(token, algorithm, _key(header.get("kid"), algorithm, keys))
    if wrong := _wrong(claims, provider, nonce, now):
        raise refused(f"its ID token {wrong}")
    return claims


def refused(why: str) -> Trouble:
    """The refusal of what somebody brings back from a provider."""
    remedy = "Begin the log-in anew; if that does not help, tell who runs the provider what is said here."
    return Trouble("sign_on_refused", 401, f"the log-in by the provider is refused: {why}", remedy=remedy)


def _object(part: str, what: str) -> Mapping[str, Any]:
    try:
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise refused(f"the {what} of its ID token cannot be read")
    return said


def _key(name: object, algorithm: str, keys: Keys) -> Mapping[str, Any]:
    """The key that a token names, or the only one there is. What else a header says of keys is not listened to."""
    if name is not None and not isinstance(name, str):
        raise refused("its ID token names its key by no text")
    fit = [
        key
        for key in keys(name)
        if key.get("kty") == _ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (name is None or key.get("kid") == name)
    ]
    if len(fit) != 1:
        raise refused(f"{'no key' if not fit else 'more than one key'} of the provider's is the one of its ID token")
    return fit[0]


def _signed(token: str, algorithm: str, key: Mapping[str, Any]) -> None:
    from authlib.common.errors import AuthlibBaseError  # python3-authlib
    from authlib.jose import JsonWebKey, JsonWebSignature

    try:
        public = JsonWebKey.import_key({name: value for name, value in key.items() if name not in ("d", "k")})
        if key["kty"] == "RSA" and public.get_public_key().key_size < _SHORTEST_KEY:
            raise refused(f"the key of its ID token has less than {_SHORTEST_KEY} bits")
        JsonWebSignature(algorithms=[algorithm]).deserialize_compact(token, public)
    except (AuthlibBaseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise refused("the signature of its ID token is not the provider's") from error


def _wrong(claims: Mapping[str, Any], provider: Provider, nonce: str, now: float) -> str:
    """What is wrong with the claims, as a phrase about the token; empty for nothing."""
    audience = claims.get("aud")
    times: list[Any] = [claims.get(name) for name in ("exp", "nbf", "iat")]
    ends, begins, made = times
    if claims.get("iss") != provider.issuer:
        return "is another issuer's"
    if audience not in (provider.client_id, [provider.client_id]):
        return "is not for this console alone (aud)"
    if claims.get("azp", provider.client_id) != provider.client_id:
        return "was given to another client (azp)"
    if not _number(ends) or not _number(made) or not (begins is None or _number(begins)):
        return "does not say when it was made and when it ends"
    if ends <= now - _APART:
        return "has expired: or this node's clock is wrong"
    if max(made, begins or 0) > now + _APART:
        return "is of a time to come: or this node's clock is wrong"
    if made < now - _OLDEST:
        return "is an old one: or this node's clock is wrong"
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        return "was made for another log-in (nonce)"
    who = claims.get("sub")
    if not isinstance(who, str) or not 0 < len(who) <= 255 or not who.isprintable():
        return "does not say whom it is about"
    return ""


def _number(said: Any) -> bool:
    # A bool is a number to Python, and is none here; neither is what JSON has no word for.
    return isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1 << 53
