# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All of the page in a real browser: how much it weighs, and that each place is within everybody's reach."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from ansible_collections.cspp.drover.tests.unit.console.page.axe import judged
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open

#: Bytes over the wire until the first page is there.
MOST = 150 * 1024
PLACES = (
    "",
    "guests",
    "guests/mail",
    "guests/mail/moves",
    "guests/mail/definition",
    "guests/runner/definition",
    "guests/website/console",
    "guests/mail/console",
    "new-guest",
    "nodes",
    "history",
)


def test_the_first_page_is_light(visit: Open) -> None:
    page = visit()
    expect(page.get_by_label("User")).to_be_visible()
    measured = "performance.getEntries().reduce((sum, one) => sum + (one.transferSize ?? 0), 0)"
    assert 10_000 < page.evaluate(measured) <= MOST


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_on_any_page_is_out_of_reach(stage: Stage, visit: Open, scheme: str, width: int) -> None:
    page = visit(None, "", width, scheme)
    expect(page.get_by_label("User")).to_be_visible()
    found = judged(page, "log-in")
    page = visit("admin", "", width, scheme)
    for place in PLACES:
        page.goto(f"{stage.address}#/{place}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        found += judged(page, place or "overview")
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{place}: {wide} pixels wide"] if wide > width else []
    page.goto(f"{stage.address}#/nodes")
    page.get_by_role("button", name="Drain node1").click()
    expect(page.get_by_role("dialog").locator("tbody tr")).to_have_count(3)
    found += judged(page, "plan")
    assert found == []
