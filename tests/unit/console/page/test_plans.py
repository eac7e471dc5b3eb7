# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans in a real browser: read, confirmed, watched, out of date, and offered only to those who may."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from ansible_collections.cspp.drover.tests.browser import guests_of
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open


def drain(page: Page, node: str) -> None:
    page.get_by_role("button", name=f"Drain {node}").click()


def test_a_drain_is_read_confirmed_and_watched(stage: Stage, visit: Open) -> None:
    page = visit("operator", "nodes")
    drain(page, "node1")
    dialog = page.get_by_role("dialog", name="Drain node1?")
    expect(dialog.locator("tbody tr")).to_have_count(3)
    # Of a container's restart nothing is forecast.
    expect(dialog.locator(".lead")).to_have_text("3 guests move.")
    expect(dialog.locator("tr", has_text="mail")).to_contain_text("42 ms6.5 s")
    expect(dialog.locator("tr", has_text="website").locator(".number")).to_have_text(
        [re.compile("[0-9]"), *2 * ("\u2013",)]
    )
    expect(dialog).to_contain_text("runner and mail would have no room")
    dialog.get_by_text("The same from elsewhere").click()
    expect(dialog.locator("pre")).to_contain_text("ansible-playbook")
    dialog.get_by_role("tab", name="YAML").click()
    expect(dialog.locator("pre")).to_contain_text("cspp.drover.node_maintenance")
    assert stage.played.carried_out == []
    dialog.get_by_role("button", name="Drain node1").click()
    expect(dialog).not_to_be_attached()
    assert stage.played.carried_out == ["p1"]
    expect(guests_of(page, "node1")).to_have_count(0)
    expect(guests_of(page, "node3")).to_have_count(6)
    expect(page.get_by_role("log")).to_contain_text("node1 is empty")
    page.get_by_role("button", name="Return node1").click()
    expect(page.get_by_role("dialog", name="Return node1?")).to_be_visible()


def test_a_stale_plan_does_nothing_and_gives_way_to_the_new_one(stage: Stage, visit: Open) -> None:
    page = visit("operator", "nodes")
    drain(page, "node1")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("tbody tr")).to_have_count(3)
    stage.played.moved_on = True
    dialog.get_by_role("button", name="Drain node1").click()
    expect(dialog.get_by_role("alert")).to_contain_text("nothing was done")
    expect(dialog.locator("tr.changed")).to_have_count(3)
    expect(dialog.locator("tr.changed").first).to_contain_text("node2 (before: node3)")
    assert stage.played.carried_out == []
    dialog.get_by_role("button", name="Drain node1").click()
    expect(dialog).not_to_be_attached()
    assert stage.played.carried_out == ["p2"]


def test_a_viewer_is_offered_nothing_that_they_may_not_do(stage: Stage, visit: Open) -> None:
    page = visit("viewer", "nodes")
    expect(page.get_by_role("button", name="Drain node1")).to_be_visible()
    for place in ("nodes", "guests/mail", "guests"):
        page.goto(f"{stage.address}#/{place}")
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(place.rpartition("/")[2], re.IGNORECASE))
        for button in page.get_by_role("button", name=re.compile("^(Drain|Return|Start|Stop|Move)")).all():
            expect(button).to_have_attribute("aria-disabled", "true")
            expect(button).to_have_accessible_name(re.compile("takes the role operator"))
            button.click(force=True)
            expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("checkbox")).to_have_count(0)
    page.goto(f"{stage.address}#/guests/website/console")
    expect(page.locator(".blank")).to_contain_text("takes the role operator")
    assert stage.played.plans == {}


def test_a_drain_needs_nothing_but_a_keyboard(stage: Stage, visit: Open) -> None:
    page = visit(None, "nodes")
    expect(page.get_by_label("User")).to_be_focused()
    page.keyboard.type("operator")
    page.keyboard.press("Tab")
    page.keyboard.type("operator")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nodes")
    button = page.get_by_role("button", name="Drain node2")
    for _ in range(30):
        page.keyboard.press("Tab")
        if button.evaluate("it => it === document.activeElement"):
            break
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("tbody tr")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_attached()
    expect(button).to_be_focused()
    page.keyboard.press("Space")
    confirm = dialog.get_by_role("button", name="Drain node2")
    expect(confirm).to_have_attribute("aria-disabled", "false")
    for _ in range(12):
        if confirm.evaluate("it => it === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog).not_to_be_attached()
    assert stage.played.carried_out == ["p2"]


def test_guests_are_searched_sorted_and_acted_upon_together(stage: Stage, visit: Open) -> None:
    page = visit("operator", "guests")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(11)
    page.get_by_role("searchbox").fill("node2 web")
    expect(rows).to_have_count(2)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="game").click()
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Memory").click()
    page.get_by_role("button", name="Memory").click()
    expect(rows.first).to_contain_text("factorio")
    page.get_by_role("checkbox", name="Select all").check()
    page.get_by_role("group", name="For those selected").get_by_role("button", name="Move").click()
    page.get_by_role("dialog").get_by_role("button", name="Move 2 guests").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [stage.played.plans[one]["subject"] for one in stage.played.carried_out] == ["factorio", "minecraft"]
