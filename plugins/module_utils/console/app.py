# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console as an ASGI application: the gate, behind it the API, and beside that the page."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .access import SCHEMES
from .collector import Collector
from .gate import Gate, refuse
from .operations import PREFIX, REFERENCE
from .page import Page
from .refusal import Refusal
from .routes import routes
from .steward import Steward
from .streams import WEBSOCKETS, streams

__all__ = ["api", "console", "gated"]

#: With every answer, beside the page's own content security policy.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # The page says otherwise of its files.
    "Cache-Control": "no-store",
}
#: Names of what went wrong that no operation of ours said.
_CODES = {400: "broken", 404: "not_found", 405: "no_method", 413: "too_large"}
_ABOUT = "See and steer a cluster of Drover's. Actions and plans are those of the plays, by the same core."

_log = logging.getLogger("drover.console")


def console(www: Path, steward: Steward, *, strict_transport: bool = False) -> ASGIApp:
    """All that a node serves: the page of the folder ``www``, and the API by this steward.

    ``strict_transport``: browsers are to insist on a certificate that they believe. With the cluster's own authority,
    which they do not know, that would lock people out.
    """
    return gated(Page(www), api(steward), strict_transport=strict_transport)


def gated(page: Page, application: ASGIApp, *, strict_transport: bool = False) -> ASGIApp:
    """The page and the API behind one gate."""

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        ours = scope["type"] != "http" or scope["path"].startswith("/api/")
        await (application if ours else page)(scope, receive, send)

    headers = {**_HEADERS, "Content-Security-Policy": page.policy}
    if strict_transport:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return Gate(both, headers)


def api(steward: Steward) -> FastAPI:
    """The API alone."""
    app = FastAPI(
        title="Drover",
        version="1",
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    declared = (routes(steward), streams(steward, Collector(steward)))
    for operations in declared:
        # To include a router is to make each of its routes anew, with all that reads what it takes: 3 MB for nothing.
        app.routes.extend(operations.routes)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _mistake)
    description = _description(app, set().union(*(operations.answers for operations in declared)))

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(description)

    return app


def _description(app: FastAPI, answers: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The API's OpenAPI document, with the models of answers, the ways to say who one is, and the WebSockets that
    OpenAPI has no words for."""
    document = app.openapi()
    components = document.setdefault("components", {})
    _, told = models_json_schema([(model, "serialization") for model in answers], ref_template=REFERENCE)
    components["schemas"] |= jsonable_encoder(told["$defs"], exclude_none=True)
    components["securitySchemes"] = SCHEMES
    document["x-websockets"] = {path: {"x-role": role} for path, role in WEBSOCKETS.items()}
    return document


async def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refuse(refusal)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return refuse(Refusal(422, "invalid", f"the request is not what this address takes: {said}"))


async def _framework(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = error.detail[:1].lower() + error.detail[1:]
    response = refuse(Refusal(error.status_code, _CODES.get(error.status_code, "refused"), said))
    response.headers.update(error.headers or {})
    return response


async def _mistake(request: Request, error: Exception) -> Response:
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return refuse(Refusal(500, "mistake", f"something went wrong within the console: {type(error).__name__}"))
