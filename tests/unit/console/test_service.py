# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console as it is served: over TLS, at addresses of both families, with a certificate that may be renewed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console import service
from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward, credential

AUTHORITY = pki.new_authority("console-ca")


def certify(folder: Path) -> tuple[Path, Path]:
    """A new certificate and its key, in files that may be there already."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    own, signed = pki.issue(AUTHORITY, "drover-console", ["localhost"], ["127.0.0.1", "::1"], 90)
    key.write_text(own)
    certificate.write_text(signed)
    return certificate, key


@asynccontextmanager
async def served(www: Path, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    """The console before a played cluster: a client who is a viewer, and the port."""
    files = certify(folder)
    believed = ssl.create_default_context(cadata=AUTHORITY[1])
    headers = {"Authorization": f"Bearer {credential('viewer')}"}
    listener = service.everywhere(0)
    async with PlayedSteward(folder / "socket"), httpx.AsyncClient(verify=believed, headers=headers) as client:
        app = console(www, Steward(folder / "socket"))
        serving = asyncio.create_task(service.serve(service.configuration(app, *files), listener))
        try:
            yield client, listener.getsockname()[1]
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


def test_it_is_served_to_both_families(www: Path, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(www, tmp_path) as (client, port):
            for host in ("127.0.0.1", "[::1]", "localhost"):
                assert (await client.get(f"https://{host}:{port}/api/v1/health")).status_code == 200

    asyncio.run(story())


def test_nothing_goes_on_for_watchers_who_left(www: Path, tmp_path: Path) -> None:
    async def story() -> None:
        async with served(www, tmp_path) as (client, port):
            assert (await client.get(f"https://localhost:{port}/api/v1/health")).status_code == 200
            before = asyncio.all_tasks()
            for _ in range(3):
                async with client.stream("GET", f"https://localhost:{port}/api/v1/events") as stream:
                    assert "cluster" in await anext(stream.aiter_text())
                    assert asyncio.all_tasks() - before
            async with asyncio.timeout(5):
                while asyncio.all_tasks() - before:
                    await asyncio.sleep(0.02)

    asyncio.run(story())


def test_a_renewed_certificate_is_shown(www: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_RENEWED_EVERY", 0.05)

    async def shown(port: int) -> str:
        context = ssl.create_default_context(cadata=AUTHORITY[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.close()
        return str(found)

    async def story() -> None:
        async with served(www, tmp_path) as (_client, port):
            await asyncio.sleep(0.2)
            before = await shown(port)
            certify(tmp_path)
            async with asyncio.timeout(5):
                while await shown(port) == before:
                    await asyncio.sleep(0.05)

    asyncio.run(story())
