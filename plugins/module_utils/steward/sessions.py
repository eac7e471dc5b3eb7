# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions without a store: a text signed with a key that all nodes have, so a failover logs nobody out.

The text is ``PAYLOAD.SIGNATURE``, both in URL-safe base64; the payload is JSON with the session's id, user, kind (how
they logged in), start and end (unix time), a fingerprint of what they logged in by, and groups that a provider told of.
The signature is HMAC-SHA256 (RFC 2104).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.errors import DroverError
from ..trust.keyfiles import SECRETS

__all__ = ["KEYS", "Session", "begin", "fingerprint", "keys", "mac", "read", "renewed", "signed"]

#: Keys as hexadecimal digits, one on each line: that in use first, then those whose sessions are still taken.
KEYS = SECRETS / "console.key"
#: Seconds that a session lasts unless it is used, that it lasts in all, and after which its use renews it.
IDLE, LONGEST, FRESH = 8 * 3600, 7 * 86_400, 300
#: Seconds that one lasts in all whose groups a provider told of: it is asked again only at the next log-in.
_LONGEST_OF = {"oidc": 12 * 3600}
_SHORTEST_KEY = 32


@dataclass(frozen=True)
class Session:
    """Somebody who has logged in. ``kind`` is ``declared``, ``pam`` or ``oidc``; the role is looked up at each request.

    It ends with what it was begun by, whose fingerprint is ``credential``: a password, or the trust in a provider.
    """

    id: str
    user: str
    kind: str
    start: int
    end: int
    credential: str
    groups: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """When it ends however much it is used."""
        return self.start + _LONGEST_OF.get(self.kind, LONGEST)


def keys(path: Path = KEYS) -> list[bytes]:
    """The keys, that in use first. Raises DroverError without one."""
    try:
        found = [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
    except (FileNotFoundError, ValueError) as error:
        raise DroverError(f"{path} has no key for sessions: {error}", remedy="Run site.yml.") from error
    found = [key for key in found if len(key) >= _SHORTEST_KEY]
    if not found:
        raise DroverError(f"{path} has no key for sessions of {_SHORTEST_KEY} bytes", remedy="Run site.yml.")
    return found


def begin(user: str, kind: str, now: float, credential: str, groups: Sequence[str] = ()) -> Session:
    return Session(secrets.token_hex(16), user, kind, int(now), int(now) + IDLE, credential, tuple(groups))


def renewed(session: Session, now: float) -> Session | None:
    """The session with a later end, if its use now is worth that."""
    end = min(int(now) + IDLE, session.last)
    return replace(session, end=end) if end - session.end > FRESH else None


def fingerprint(text: str) -> str:
    """What tells one credential from another, and tells nothing of either."""
    return _encoded(hashlib.sha256(f"credential:{text}".encode(errors="replace")).digest()[:16])


def signed(session: Session, key: bytes) -> str:
    """The text that is given to the browser."""
    payload: dict[str, Any] = {"i": session.id, "u": session.user, "k": session.kind, "s": session.start}
    payload |= {"e": session.end, "c": session.credential, **({"g": session.groups} if session.groups else {})}
    body = _encoded(json.dumps(payload, separators=(",", ":")).encode())
    return f"{body}.{mac('session', body, key)}"


def read(text: str, known: Sequence[bytes], now: float) -> Session | None:
    """The session that a text is; None for one that is over, that nobody signed, or that is none."""
    body, _dot, signature = text.partition(".")
    if not any(hmac.compare_digest(mac("session", body, key), signature) for key in known if signature.isascii()):
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        times, groups = (int(said["s"]), int(said["e"])), tuple(said.get("g", ()))
        session = Session(said["i"], said["u"], said["k"], *times, said["c"], groups)
    except (ValueError, KeyError, TypeError):
        return None
    return session if now < min(session.end, session.last) else None


def mac(purpose: str, text: str, key: bytes) -> str:
    """The signature of a text; one made for one purpose is none for another."""
    return _encoded(hmac.digest(key, f"{purpose}:{text}".encode(errors="replace"), hashlib.sha256))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
