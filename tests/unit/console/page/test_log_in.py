# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A log-in by a password, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.unit.console.page.conftest import Open


def test_a_log_in_says_what_is_wrong_and_leads_to_where_one_wanted_to_go(visit: Open) -> None:
    page = visit(None, "guests/mail")
    page.get_by_label("User").fill("operator")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    expect(page.get_by_role("alert")).to_contain_text("five wrong tries")
    page.get_by_label("Password").fill("operator")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="mail", level=1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="mail", level=1)).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
