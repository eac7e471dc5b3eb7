# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who somebody is: by their password at the log-in, and by their session or token at every request from then on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..journal.book import stamp
from . import pam, sessions
from .access import PREFIX, ROLES, Access, Declared, fits, hashed
from .lockout import Lockout
from .records import Ledger
from .sessions import Session
from .trouble import Trouble, not_logged_in

__all__ = ["NOBODY", "Caller", "Identity", "opened"]

#: A failed log-in is answered at the end of such a span since it came, in seconds: how long it took tells nothing.
_SPAN = 1.0
#: Of a user's name and a password.
_LONGEST = 256
_NEVER = hashed("", b"no user has this")
#: Whom PAM is asked about in place of those that are none of its own.
_DECOY = "drover.nobody"
#: Log-ins at a time, of the steward's 64 requests: who floods it with these keeps nobody else from their work.
_TOGETHER = 16


@dataclass(frozen=True)
class Caller:
    """Who asks, in which role. ``kind`` is session, token, or nobody; ``session`` is there for the first of these."""

    name: str
    role: str
    kind: str = "nobody"
    session: Session | None = None


NOBODY = Caller("", ROLES[0])


def opened(session: Session, role: str, key: bytes) -> dict[str, Any]:
    """What a log-in is answered with."""
    signed = sessions.signed(session, key)
    return {"session": signed, "user": session.user, "role": role, "expires": stamp(session.end)}


class Identity:
    """Knows people on this node. What it has to be told by others are seams for tests."""

    def __init__(
        self,
        declared: Callable[[], Access] | None = None,
        keys: Callable[[], Sequence[bytes]] = sessions.keys,
        ledger: Ledger | None = None,
        *,
        lockout: Lockout | None = None,
        attempt: Callable[[str, str], bool] = pam.attempt,
        groups: Callable[[str], list[str]] = pam.groups,
        credential: Callable[[str], str] = pam.credential,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.declared, self._keys = declared or Declared(), keys
        self._ledger, self._lockout = ledger or Ledger(), lockout or Lockout()
        self._attempt, self._groups, self._credential = attempt, groups, credential
        self._free = threading.BoundedSemaphore(_TOGETHER)
        self._now, self._sleep = now, sleep

    def caller(self, credential: str | None, origin: str) -> Caller:
        """Who has this credential; nobody without one. Raises Trouble for one that is not, or no longer, taken."""
        if credential is None:
            return NOBODY
        access = self.declared()
        if credential.startswith(PREFIX):
            return self._by_token(access, credential, origin)
        session = sessions.read(credential, self._keys(), self._now())
        if session is None:
            raise not_logged_in("the session is over, or was never one of this cluster")
        if self._ledger.is_over(session):
            raise not_logged_in("somebody logged out of this session")
        role = self._role(access, session.user, session.kind, session.groups)
        if role == ROLES[0]:
            raise not_logged_in(f"{session.user} may no longer log in")
        if session.credential != self._fingerprint(access, session.user, session.kind):
            raise not_logged_in(f"what {session.user} logged in by has changed since")
        return Caller(session.user, role, "session", session)

    def log_in(self, user: str, password: str, origin: str) -> dict[str, Any]:
        """A new session. Raises Trouble, which says the same of a user there is not and of a wrong password."""
        if not user or len(user) > _LONGEST or len(password) > _LONGEST or not user.isprintable():
            raise Trouble("invalid", 422, f"user and password are texts of 1 to {_LONGEST} characters")
        if not self._free.acquire(blocking=False):
            raise Trouble("busy", 503, f"{_TOGETHER} log-ins are under way", remedy="Try again in a moment.")
        try:
            return self._tried(user, password, origin)
        finally:
            self._free.release()

    def _tried(self, user: str, password: str, origin: str) -> dict[str, Any]:
        begun, access, key = self._now(), self.declared(), self._keys()[0]
        one = self._lockout.take(user, origin)
        kind = self._check(access, user, password)
        role = self._role(access, user, kind) if kind else ROLES[0]
        if role == ROLES[0]:
            if one.last:
                self._ledger.audit("log-in", user, origin, "locked out", at=begun)
            self._sleep(_SPAN - (self._now() - begun) % _SPAN)
            raise Trouble("wrong_log_in", 401, "this user and password do not go together", remedy="Try again.")
        self._lockout.succeeded(one)
        session = sessions.begin(user, kind, self._now(), self._fingerprint(access, user, kind))
        self._ledger.audit("log-in", user, origin, "logged in", at=begun)
        return opened(session, role, key)

    def log_out(self, caller: Caller, origin: str, *, everywhere: bool) -> None:
        """End the caller's session, or all that began until now."""
        if caller.session is not None:
            self._ledger.end(caller.session, origin, self._now(), everywhere=everywhere)

    def described(self, caller: Caller) -> dict[str, Any]:
        """Who the caller is; ``session`` is to replace theirs, None if it is fresh enough."""
        said: dict[str, Any] = {"user": caller.name, "role": caller.role, "kind": caller.kind, "session": None}
        if caller.session is None:
            return {**said, "expires": None}
        later = sessions.renewed(caller.session, self._now())
        if later is not None:
            said["session"] = sessions.signed(later, self._keys()[0])
        return {**said, "expires": stamp((later or caller.session).end)}

    def _by_token(self, access: Access, secret: str, origin: str) -> Caller:
        token = access.token(secret)
        if token is None:
            raise not_logged_in("this token is not declared in this cluster")
        if why := token.refusal(origin, datetime.fromtimestamp(self._now(), UTC)):
            raise not_logged_in(why)
        return Caller(f"token {token.name}", token.role, "token")

    def _check(self, access: Access, user: str, password: str) -> str:
        """How the user logs in with this password; empty when they do not."""
        known = access.users.get(user)
        # The same work for users there are and are not, and for those of PAM and of the declaration.
        if fits(password, known.hash if known else _NEVER) and known is not None:
            return "declared"
        if not access.groups:
            return ""
        strange = known is not None or user == "root"
        right = self._attempt(_DECOY if strange else user, password)
        return "pam" if right and not strange else ""

    def _fingerprint(self, access: Access, user: str, kind: str) -> str:
        """Of what the user logs in by, as it is now."""
        if kind == "oidc":
            return access.provider.fingerprint if access.provider else ""
        return sessions.fingerprint(access.users[user].hash if kind == "declared" else self._credential(user))

    def _role(self, access: Access, user: str, kind: str, groups: Sequence[str] = ()) -> str:
        if kind == "oidc":
            return access.provider.role_of(groups) if access.provider else ROLES[0]
        if kind == "declared":
            known = access.users.get(user)
            over = known is None or (known.expires is not None and known.expires.timestamp() <= self._now())
            return ROLES[0] if known is None or over else known.role
        return access.role_of(self._groups(user)) if access.groups and self._credential(user) else ROLES[0]
