# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of the page, and that nothing else is served."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
from pathlib import Path

import httpx
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console.page import Page, content_security_policy
from tests.unit.console.conftest import INDEX


def fetched(www: Path, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Page(www)), base_url="https://console") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def test_the_root_is_the_page(www: Path) -> None:
    answer = fetched(www, "/")
    assert answer.text == INDEX
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    # A provider sends people back there, with a code behind it.
    assert fetched(www, "/oidc?code=a&state=b").text == INDEX
    assert fetched(www, "/", **{"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_what_is_vendored_is_packed_and_kept(www: Path) -> None:
    answer = fetched(www, "/vendor/one-1.0/one.js", **{"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    plain = fetched(www, "/vendor/one-1.0/one.js", **{"Accept-Encoding": "identity"})
    assert len(gzip.compress(plain.content)) < len(plain.content) == int(plain.headers["content-length"])


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/vendor/..%2f..%2f..%2fsecret", "/vendor", "/link"])
def test_nothing_outside_the_folder_is_served(www: Path, path: str) -> None:
    (www.parent / "secret").write_text("secret")
    assert fetched(www, path).status_code == 404


def test_the_policy_knows_the_import_map_and_nothing_else() -> None:
    digest = base64.b64encode(hashlib.sha256(b'{"imports": {}}').digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in content_security_policy(INDEX)
    assert "script-src 'self';" in content_security_policy("<script>alert(1)</script>")
