# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A console before a steward that plays, on a real socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis.configuration import set_hypothesis_home_dir
from starlette.types import ASGIApp

from ansible_collections.cspp.drover.plugins.module_utils.console.app import api, gated
from ansible_collections.cspp.drover.plugins.module_utils.console.page import Page
from ansible_collections.cspp.drover.plugins.module_utils.console.steward import Steward
from ansible_collections.cspp.drover.tests.unit.console.played_steward import PlayedSteward

# Schemathesis' generator would keep its notes in the checkout, and with them in whatever is made of it.
set_hypothesis_home_dir(Path(__file__).resolve().parents[3] / ".cache" / "hypothesis")

INDEX = '<!doctype html><script type="importmap">{"imports": {}}</script>'


@dataclass(frozen=True)
class Stage:
    """The console, a client of it, and the steward behind it."""

    app: ASGIApp
    client: httpx.AsyncClient
    steward: PlayedSteward


Staged = Callable[[], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def www(tmp_path: Path) -> Path:
    folder = tmp_path / "www"
    (folder / "vendor" / "one-1.0").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "vendor" / "one-1.0" / "one.js").write_text("export const one = 1;\n" * 100)
    return folder


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the played steward listens, one after the other."""
    return tmp_path_factory.mktemp("steward") / "socket"


@pytest.fixture(scope="session")
def application(address: Path) -> FastAPI:
    """The API, whose making takes longer than most of what is asked of it; it keeps nothing between two requests."""
    return api(Steward(address))


@pytest.fixture
def staged(www: Path, address: Path, application: FastAPI) -> Staged:
    """Opens a stage: a gate and a cluster of its own, before the same API."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stage]:
        async with PlayedSteward(address) as steward:
            app = gated(Page(www), application)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="https://console:8443") as client:
                yield Stage(app, client, steward)

    return opened


@pytest.fixture
def steward(address: Path) -> Iterator[PlayedSteward]:
    """A played steward in a thread of its own: schemathesis knows nothing of our loop."""
    loop = asyncio.new_event_loop()
    steward = PlayedSteward(address)
    loop.run_until_complete(steward.__aenter__())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield steward
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(steward.__aexit__())
    loop.close()
