# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A browser before the lab's console, with a window for each role."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from ansible_collections.cspp.drover.tests.browser import Windows, chromium

from .reaching import page_url, password


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
