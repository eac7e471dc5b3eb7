# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page in a real browser, Debian's chromium, before the console itself and a played cluster (stage.py).

One browser and one console serve all tests in this folder. Playwright keeps a running event loop in this thread for as
long as its browser is there, and asyncio.run() refuses to work beside it: no test elsewhere may find the browser open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ansible_collections.cspp.drover.tests.browser import Windows, chromium
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage

Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def served() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.fixture
def stage(served: Stage) -> Stage:
    return served.anew()


@pytest.fixture
def visit(stage: Stage, browser: Browser) -> Iterator[Open]:
    """Opens the page as a user, or as nobody; whatever the browser has against it fails the test."""
    windows = Windows(browser, stage.address)

    def visit(user: str | None = None, place: str = "", width: int = 1280, scheme: Any = "light") -> Page:
        return windows.open(place, session=(user, user) if user else None, size=(width, 800), scheme=scheme)

    yield visit
    windows.close()
    assert windows.complaints() == []
