# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Terminals and screens of guests, in a real browser."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, expect

from ansible_collections.cspp.drover.tests.browser import ready, type_in
from tests.unit.console.page.conftest import Open


def test_a_terminal_outlives_a_reload_and_a_move_and_says_why_it_ends(visit: Open) -> None:
    page = visit("operator", "guests/website/console")
    shown, link = page.locator(".xterm-rows"), page.locator(".console .link")
    expect(shown).to_contain_text("root@website:~#")
    page.keyboard.type("hello")
    expect(shown).to_contain_text("# hello")
    page.reload()
    expect(shown).to_contain_text("# hello")
    ready(page)
    type_in(page, "~")
    expect(link).to_have_text("The shell has ended.")
    page.get_by_role("button", name="Connect again").click()
    type_in(page, "hello")
    expect(shown).to_contain_text("# hello")
    page.keyboard.type("!")
    expect(shown).to_contain_text(re.compile("hello.*root@website:~#"), timeout=5_000)
    ready(page)


def test_a_screen_is_connected_again_after_a_move(visit: Open) -> None:
    page = visit("operator", "guests/mail/console")
    canvas = page.locator(".screen canvas")
    ready(page)
    _seen_green(page)
    canvas.evaluate("it => it.dataset.before = 'yes'")
    canvas.focus()
    page.keyboard.press("F1")
    expect(page.locator(".screen canvas:not([data-before])")).to_have_count(1, timeout=5_000)
    _seen_green(page)
    ready(page)
    page.get_by_role("tab", name="Serial port").click()
    expect(page.locator(".xterm-rows")).to_contain_text("root@mail:~#")
    # One without a screen begins with its serial port, and says why when asked for more.
    page.goto(f"{page.url.partition('#')[0]}#/guests/gitea/console")
    expect(page.locator(".xterm-rows")).to_contain_text("root@gitea:~#")
    page.get_by_role("tab", name="Screen").click()
    expect(page.locator(".console .link")).to_contain_text("started without a screen")


def _seen_green(page: Page) -> None:
    """Waits until the screen shows what the played VM does."""
    deadline = time.monotonic() + 20
    look = "it => it.width === 64 ? it.getContext('2d').getImageData(9, 9, 1, 1).data[1] : 0"
    while page.locator(".screen canvas").evaluate(look) != 200:
        assert time.monotonic() < deadline, "the screen stays black"
        page.wait_for_timeout(50)
