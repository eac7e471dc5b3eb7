# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of the page, read once and served from memory: no path of a request ever meets the file system."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..steward.provider import RETURN
from .gate import refuse
from .refusal import Refusal

__all__ = ["Page", "content_security_policy"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_PACKED = frozenset({".png", ".woff2"})
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
#: Below it, a packed file saves no packet.
_SMALL = 1024


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes | None
    kind: str
    tag: str


class Page:
    """An ASGI application of the files below a folder; ``index.html`` is what the root shows."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            f"/{path.relative_to(folder).as_posix()}": _read(path) for path in folder.rglob("*") if path.is_file()
        }
        if "/index.html" in self._files:
            self._files["/"] = self._files[RETURN] = self._files["/index.html"]

    @property
    def policy(self) -> str:
        """The content security policy under which the page works."""
        index = self._files.get("/")
        return content_security_policy(index.body.decode() if index else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._response(scope)(scope, receive, send)

    def _response(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            refusal = refuse(Refusal(405, "no_method", f"{scope['method']} is nothing that this address takes"))
            refusal.headers["Allow"] = "GET, HEAD"
            return refusal
        file = self._files.get(scope["path"])
        if file is None:
            return refuse(Refusal(404, "not_found", "there is nothing here", remedy="The page is at /."))
        asked = Headers(scope=scope)
        lasting = scope["path"].startswith("/vendor/")
        headers = {
            "ETag": file.tag,
            "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if asked.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        body = file.body
        if file.packed is not None and "gzip" in asked.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = file.packed, "gzip"
        return Response(body, headers=headers, media_type=file.kind)


def content_security_policy(index: str) -> str:
    """The policy that lets a page of this text load what is ours, and run its import map and no other inline script."""
    hashes = [
        f" 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in _IMPORT_MAP.findall(index)
    ]
    return (
        f"default-src 'none'; script-src 'self'{''.join(hashes)}; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


def _read(path: Path) -> _File:
    body = path.read_bytes()
    packed = None if path.suffix in _PACKED or len(body) < _SMALL else gzip.compress(body, 9, mtime=0)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _File(body, packed, _TYPES.get(path.suffix, "application/octet-stream"), tag)
