# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in by a provider. It sends people back to the page, which is another page's doing, so that no cookie comes along;
the page then ends the log-in by a request of its own, with what the provider gave it and the cookie of the beginning.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from starlette.responses import JSONResponse

from . import documents
from .access import Anybody
from .documents import Begin, End
from .operations import Operations
from .steward import Steward

__all__ = ["COOKIE", "sign_on"]

#: What a browser keeps from the beginning of a log-in to its end, and for how many seconds at most.
COOKIE, _KEPT = "__Host-drover-log-in", 600


def sign_on(api: Operations, steward: Steward, shown: Any) -> None:
    """Declare its operations. ``shown`` makes the answer that a log-in has."""
    strict: dict[str, Any] = {"path": "/", "secure": True, "httponly": True, "samesite": "strict"}

    @api.operation("GET", "/session/ways", "nobody", documents.Ways)
    async def ways(caller: Anybody) -> Response:
        return JSONResponse(await steward.ask("ways", caller))

    @api.operation("POST", "/session/oidc", "nobody", documents.Begun)
    async def begin(asked: Begin, caller: Anybody) -> Response:
        said = await steward.ask("oidc_begin", caller, url=asked.url)
        response = JSONResponse({"location": said["location"]})
        response.set_cookie(COOKIE, said["pending"], max_age=_KEPT, **strict)
        return response

    @api.operation("POST", "/session/oidc/end", "nobody", documents.Session)
    async def end(given: End, request: Request, caller: Anybody) -> Response:
        pending = request.cookies.get(COOKIE, "")
        response: Response = shown(await steward.ask("oidc_end", caller, pending=pending, **given.model_dump()))
        response.delete_cookie(COOKIE, **strict)
        return response
