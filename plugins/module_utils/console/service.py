# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console's program on a node: serves over TLS with the node's certificate, also when that is renewed meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from ..core.errors import run_program
from .app import console
from .steward import SOCKET, Steward

__all__ = ["configuration", "everywhere", "main", "serve"]

#: Seconds that a watcher may hold up the end of the service, and between two looks at the certificate.
_GRACE, _RENEWED_EVERY = 2, 30.0
#: Connections at once, and bytes of a message of a guest's screen or terminal.
_CONNECTIONS, _MESSAGE = 1000, 1 << 20


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the service is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--www", type=Path, required=True, help="the folder of the page")
    parser.add_argument("--steward", type=Path, default=SOCKET, help="the steward's socket")
    parser.add_argument("--strict-transport", action="store_true", help="browsers are to insist on the certificate")
    given = parser.parse_args(argv)

    def start() -> int:
        app = console(given.www, Steward(given.steward), strict_transport=given.strict_transport)
        config = configuration(app, given.certificate, given.key)
        # uvloop's, which nodes have: asyncio's own has 256 KiB of memory for each connection over TLS.
        config.setup_event_loop()
        asyncio.run(serve(config, everywhere(given.port)))
        return 0

    return run_program(start, OSError, what="the console cannot serve")


def everywhere(port: int) -> socket.socket:
    """A socket that listens at all addresses of the node, also at those that are still to come to it.

    uvicorn's own listens at addresses of one family.
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))


def configuration(app: object, certificate: Path, key: Path) -> uvicorn.Config:
    """How the console is served."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        ssl_certfile=certificate,
        ssl_keyfile=str(key),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        ws_max_size=_MESSAGE,
        timeout_graceful_shutdown=_GRACE,
    )


async def serve(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve at a listening socket, and show a new certificate to whoever connects after it was written."""
    server = uvicorn.Server(config)
    renewal = asyncio.create_task(_renewed(config, _RENEWED_EVERY))
    try:
        await server.serve([listener])
    finally:
        renewal.cancel()


async def _renewed(config: uvicorn.Config, every: float) -> None:
    shown = _age(config)
    while True:
        await asyncio.sleep(every)
        if config.ssl is not None and (age := _age(config)) != shown:
            # Its key is written before it: a pair that does not match is tried again.
            try:
                config.ssl.load_cert_chain(str(config.ssl_certfile), config.ssl_keyfile)
            except OSError:
                continue
            shown = age


def _age(config: uvicorn.Config) -> tuple[int, int]:
    files = (Path(str(config.ssl_certfile)), Path(str(config.ssl_keyfile)))
    certificate, key = (file.stat().st_mtime_ns if file.exists() else 0 for file in files)
    return certificate, key
