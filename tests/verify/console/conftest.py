# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's console, and a browser before it with a window for each role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ansible_collections.cspp.drover.tests.browser import Windows, chromium

from ..lab import Lab, boot, init_of
from ..plays import succeed
from .reaching import DECLARED, answers, console_address, page_url, password


@pytest.fixture(scope="session", autouse=True)
def ran_before(lab: Lab, declared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Which boots of the guests there were before the console came. It is brought here, where it is not there yet."""
    found = {"game": boot(declared["game"]), "web": init_of(lab, "web")}
    if not answers(console_address())():
        succeed("site", **DECLARED)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def windows(browser: Browser) -> Iterator[Windows]:
    """Windows with the page at the console's own address."""
    windows = Windows(browser, page_url())
    yield windows
    windows.close()


@pytest.fixture
def nothing_against_it(windows: Windows) -> Iterator[None]:
    """Whatever the browser has against the page fails the test."""
    windows.complaints()
    yield
    assert windows.complaints() == []


@pytest.fixture(scope="module")
def viewer(windows: Windows) -> Page:
    return _logged_in(windows, "viewer")


@pytest.fixture(scope="module")
def operator(windows: Windows) -> Page:
    return _logged_in(windows, "operator")


@pytest.fixture(scope="module")
def admin(windows: Windows) -> Page:
    return _logged_in(windows, "admin")


def _logged_in(windows: Windows, user: str) -> Page:
    """A window of somebody who has logged in by the form."""
    page = windows.open()
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password(user))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").wait_for()
    return page
