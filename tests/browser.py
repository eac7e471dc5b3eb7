# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console's page in a real browser, Debian's chromium: for its tests, before a played cluster and before nodes, and
for its pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, ViewportSize, expect, sync_playwright

__all__ = ["Windows", "chromium", "guests_of", "ready", "type_in"]

_CHROMIUM = Path("/usr/bin/chromium")
#: Milliseconds for what a loaded machine takes its time for.
_PATIENCE = 20_000
#: What a browser has against pages that are in order: nobody is logged in at first, a plan has grown stale, a
#: declaration has faults, noVNC tells of a screen that is refused, interfaces of labs come and go, and a test reads a
#: canvas again and again.
_KNOWN = re.compile("status of (401|409|422|503)|ERR_NETWORK_CHANGED|code: 4409|Multiple readback operations")

expect.set_options(timeout=_PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, for as long as the context lasts."""
    assert _CHROMIUM.exists(), "this needs a browser: apt-get install --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Windows:
    """Windows with the page at ``address``, each with cookies of its own."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.address = address
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._said: list[str] = []

    def open(
        self,
        place: str = "",
        *,
        session: tuple[str, str] | None = None,
        size: tuple[int, int] = (1280, 800),
        scheme: Any = "light",
    ) -> Page:
        """One more, at a place of the page; ``session`` are the name and the password of who is logged in already."""
        width, height = size
        # Whoever signed the certificate: that it is good is shown elsewhere.
        context = self._browser.new_context(
            viewport=ViewportSize(width=width, height=height), color_scheme=scheme, ignore_https_errors=True
        )
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_PATIENCE)
        page.on("pageerror", lambda error: self._said.append(str(error)))
        page.on("console", lambda word: self._said.append(word.text) if word.type in ("error", "warning") else None)
        if session:
            data = dict(zip(("user", "password"), session, strict=True))
            headers = {"Sec-Fetch-Site": "same-origin"}
            answer = context.request.post(f"{self.address}api/v1/session", data=data, headers=headers)
            assert answer.ok, answer.text()
        self.show(page, place)
        return page

    def show(self, page: Page, place: str) -> None:
        """Go to a place of the page, and wait until it is there."""
        page.goto(f"{self.address}#/{place}")
        # Where a lab's interfaces come and go, chromium breaks off what it is loading.
        for _ in range(3):
            with suppress(TimeoutError):
                page.get_by_role("heading", level=1).wait_for()
                break
            page.reload()

    def complaints(self) -> list[str]:
        """What the browser has had against its pages since this was asked last."""
        said, self._said[:] = [word for word in self._said if not _KNOWN.search(word)], []
        return said

    def close(self) -> None:
        """Close them all."""
        for context in self._contexts:
            context.close()


def guests_of(page: Page, node: str) -> Any:
    """The guests that the page of nodes has at a node."""
    return page.locator(".machine", has=page.get_by_role("heading", name=node)).locator(".chip")


def ready(page: Page) -> None:
    """Wait until the console that the page shows is connected to its guest."""
    expect(page.locator(".console .link")).to_have_class(re.compile("live"))


def type_in(page: Page, text: str) -> None:
    """Type into the terminal that the page shows."""
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type(text)
