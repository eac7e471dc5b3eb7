# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asks: the credential of a request, as the browser or the tool sent it. Whose it is, the steward says."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .gate import address_of
from .refusal import Refusal
from .steward import Caller

__all__ = ["COOKIE", "SCHEMES", "Anybody", "Known", "anybody", "forget", "remember"]

#: The prefix has browsers take it from this very host, over TLS, and for all of its paths, or not at all.
COOKIE = "__Host-drover"
#: How a client may say who it is, for the API's description.
SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "What POST /api/v1/session sets."},
    "token": {"type": "http", "scheme": "bearer", "description": "A token that the inventory declares: drv_..."},
}
#: Characters of a credential, more than any that is valid.
_LONGEST = 4096


def anybody(connection: HTTPConnection) -> Caller:
    """The caller, who may be nobody. A token goes before a session: it is what somebody put there on purpose."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    credential = token.strip() if scheme.lower() == "bearer" else connection.cookies.get(COOKIE)
    if credential and (len(credential) > _LONGEST or not credential.isascii()):
        raise Refusal(401, "not_logged_in", "what the request is to be allowed by is no session and no token")
    return Caller(credential or None, address_of(connection.scope))


async def _anybody(connection: HTTPConnection) -> Caller:
    # What is not asynchronous, FastAPI runs in one of up to 40 threads.
    return anybody(connection)


async def _known(connection: HTTPConnection) -> Caller:
    caller = anybody(connection)
    if caller.credential is None:
        raise Refusal(401, "not_logged_in", "nobody is logged in")
    return caller


Anybody = Annotated[Caller, Depends(_anybody)]
Known = Annotated[Caller, Depends(_known)]


def remember(response: Response, session: str) -> None:
    """Have the browser keep a session. How long it is good for, the steward knows."""
    response.set_cookie(COOKIE, session, path="/", secure=True, httponly=True, samesite="strict")


def forget(response: Response) -> None:
    """Have the browser drop the session."""
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
