# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console as it is served: over TLS, at addresses of both families, with a certificate that may be renewed."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from ansible_collections.cspp.drover.plugins.module_utils.console import service
from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward, credential

AUTHORITY = pki.new_authority("console-ca")


def certify(certificate: Path, key: Path) -> None:
    own, signed = pki.issue(AUTHORITY, "drover-console", ["localhost"], ["127.0.0.1", "::1"], 90)
    key.write_text(own)
    certificate.write_text(signed)


def test_it_is_served_to_both_families(www: Path, tmp_path: Path) -> None:
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    certify(*files)
    believed = ssl.create_default_context(cadata=AUTHORITY[1])

    async def story() -> None:
        listener = service.everywhere(0)
        port = listener.getsockname()[1]
        async with PlayedSteward(tmp_path / "socket"):
            app = console(www, Steward(tmp_path / "socket"))
            serving = asyncio.create_task(service.serve(service.configuration(app, *files), listener))
            headers = {"Authorization": f"Bearer {credential('viewer')}"}
            async with httpx.AsyncClient(verify=believed, headers=headers) as client:
                for host in ("127.0.0.1", "[::1]", "localhost"):
                    assert (await client.get(f"https://{host}:{port}/api/v1/health")).status_code == 200
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(story())


def test_a_renewed_certificate_is_shown(www: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_RENEWED_EVERY", 0.05)
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    certify(*files)

    async def shown(port: int) -> str:
        context = ssl.create_default_context(cadata=AUTHORITY[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
        writer.close()
        return str(found)

    async def story() -> None:
        listener = service.everywhere(0)
        port = listener.getsockname()[1]
        app = console(www, Steward(tmp_path / "socket"))
        serving = asyncio.create_task(service.serve(service.configuration(app, *files), listener))
        await asyncio.sleep(0.2)
        before = await shown(port)
        certify(*files)
        async with asyncio.timeout(5):
            while await shown(port) == before:
                await asyncio.sleep(0.05)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(story())
