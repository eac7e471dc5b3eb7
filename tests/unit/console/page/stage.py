# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage for the page: the console itself, over TLS, before a steward that plays a cluster of three nodes.

`python -m ansible_collections.cspp.drover.tests.unit.console.page.stage` serves it to look at; users are viewer,
operator and admin, whose passwords are their names.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn

from ansible_collections.cspp.drover.plugins.module_utils.console.app import console
from ansible_collections.cspp.drover.plugins.module_utils.console.service import configuration
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.trust import pki
from ansible_collections.cspp.drover.tests.unit.console.played import Played
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward

WWW = Path(__file__).resolve().parents[4] / "roles/console/files/www"


class Stage:
    """The console at ``address`` while the context lasts."""

    def __init__(self, port: int = 0) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._steward = PlayedSteward(folder / "steward", Played())
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        texts = pki.issue(pki.new_authority("console-ca"), "localhost", ["localhost"], ["127.0.0.1"], 1)
        for file, text in zip((key, certificate), texts, strict=True):
            file.write_text(text)
        app = console(WWW, Steward(folder / "steward"))
        self._server = uvicorn.Server(configuration(app, certificate, key))
        self._listening = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def anew(self) -> Stage:
        """The same stage with the cluster as it was at first, once nobody looks at it any more.

        Who comes while somebody does is shown at first what they were shown last.
        """
        wait_for(
            lambda: len(self._server.server_state.connections),
            lambda count: count == 0,
            what="the end of the pages before",
            timeout=20,
            interval=0.02,
        )
        self._steward.played = Played()
        return self

    @property
    def played(self) -> Played:
        """The cluster that it shows."""
        return self._steward.played

    @property
    def address(self) -> str:
        """The page's URL."""
        return f"https://localhost:{self._listening.getsockname()[1]}/"

    async def _serve(self) -> None:
        async with self._steward:
            await self._server.serve([self._listening])

    def __enter__(self) -> Stage:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self._server.started, "the console does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._folder.cleanup()


def main() -> None:
    """Serve until the standard input ends."""
    with Stage(8481) as stage:
        print(stage.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
