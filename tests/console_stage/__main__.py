# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python -m tests.console_stage``: https://127.0.0.1:8480, with users viewer, operator and admin.

Each one's password is the name. The page is read from the checkout again for each request. The
certificate is a throw-away one.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import tempfile
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.service import configuration, serve
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from tests.console_stage.steward import PlayedSteward

WWW = Path(__file__).parents[2] / "roles" / "console" / "files" / "www"


def fresh(www: Path, steward: Steward) -> ASGIApp:
    """A console whose page is as the files are now."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and not scope["path"].startswith("/api/")
        await (console(www, steward) if page else app)(scope, receive, send)

    app = console(www, steward)
    return served


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """The files of a certificate that nobody knows, and of its key."""
    key, own = pki.issue(pki.new_authority("ca"), "localhost", ["localhost"], [address], 7)
    files = folder / "console.crt", folder / "console.key"
    for file, text in zip(files, (own, key), strict=True):
        file.write_text(text)
    return files


async def run(address: str, port: int, www: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own, key = certificate(folder, address)
        async with PlayedSteward(folder / "socket"):
            print(f"https://{address}:{port}/ as viewer, operator or admin, with the same word as password", flush=True)
            app = fresh(www, Steward(folder / "socket"))
            await serve(configuration(app, own, key), socket.create_server((address, port)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--www", type=Path, default=WWW)
    given = parser.parse_args()
    asyncio.run(run(given.address, given.port, given.www))


main()
