# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A proposal opened as a merge request, in a real browser; there is no word of it where no forge is declared."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.tests.unit.console.page.axe import judged
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open

FORGE = {"kind": "forgejo", "name": "Forgejo", "project": "club/cluster"}
LINK = "https://git.example.org/pulls/1"


def proposed(page: Page, description: str = "it's the post") -> Locator:
    """A change, proposed: what the page shows of it."""
    form = page.get_by_role("form", name="Change proposed of mail")
    form.get_by_label("Description").fill(description)
    form.get_by_role("button", name="Propose the change").click()
    shown = form.get_by_role("region", name="The change, to be committed")
    expect(shown).to_contain_text("description: becomes")
    return shown


def test_without_a_forge_there_is_no_button(stage: Stage, visit: Open) -> None:
    shown = proposed(visit("operator", "guests/mail/definition"))
    expect(shown.get_by_role("button", name="Open a merge request")).to_have_count(0)
    assert stage.played.merge_requests == {}


def test_a_merge_request_is_opened_once_and_leads_to_the_forge(stage: Stage, visit: Open) -> None:
    stage.played.forge = FORGE
    page = visit("operator", "guests/mail/definition")
    shown = proposed(page)
    request = shown.get_by_role("region", name="At Forgejo")
    expect(request).to_contain_text("in club/cluster")
    request.get_by_text("The same from elsewhere").click()
    expect(request.locator("pre")).to_contain_text("cspp.drover.guests")
    request.get_by_role("tab", name="curl").click()
    expect(request.locator("pre")).to_contain_text("/api/v1/guests/mail/merge-request")
    # A shell reads it as it was meant.
    expect(request.locator("pre")).to_contain_text("""-d '{"changes":{"description":"it'\\''s the post"}}'""")
    request.get_by_role("tab", name="YAML").click()
    expect(request.locator("pre")).to_contain_text("it's the post")
    assert stage.played.merge_requests == {}
    request.get_by_role("button", name="Open a merge request").click()
    link = request.get_by_role("link", name=LINK)
    expect(link).to_have_attribute("href", LINK)
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(request.get_by_role("status")).to_contain_text("It is opened.")
    expect(request.get_by_role("button", name="Open a merge request")).to_have_count(0)
    assert list(stage.played.merge_requests.values()) == [LINK]
    request = proposed(page).get_by_role("region", name="At Forgejo")
    request.get_by_role("button", name="Open a merge request").click()
    expect(request.get_by_role("status")).to_contain_text("It was opened before.")
    # Another change is another's.
    request = proposed(page, "the post").get_by_role("region", name="At Forgejo")
    expect(request.get_by_role("link")).to_have_count(0)
    assert len(stage.played.merge_requests) == 1


def test_what_speaks_against_it_is_told_and_it_is_tried_again(stage: Stage, visit: Open) -> None:
    stage.played.forge = FORGE
    stage.played.forge_trouble = Trouble("branch_differs", 409, "the branch says something else", remedy="Delete it.")
    request = proposed(visit("operator", "guests/mail/definition")).get_by_role("region", name="At Forgejo")
    request.get_by_role("button", name="Open a merge request").click()
    expect(request.get_by_role("alert")).to_contain_text("the branch says something else")
    expect(request.get_by_role("alert")).to_contain_text("Delete it.")
    stage.played.forge_trouble = None
    request.get_by_role("button", name="Open a merge request").click()
    expect(request.get_by_role("link", name=LINK)).to_be_visible()
    expect(request.get_by_role("alert")).to_have_count(0)


def test_who_may_not_propose_is_offered_nothing(stage: Stage, visit: Open) -> None:
    stage.played.forge = FORGE
    page = visit("viewer", "guests/mail/definition")
    expect(page.get_by_role("button", name="Propose the change")).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_role("button", name="Open a merge request")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_of_it_is_out_of_reach(stage: Stage, visit: Open, scheme: str, width: int) -> None:
    stage.played.forge = FORGE
    page = visit("operator", "guests/mail/definition", width, scheme)
    request = proposed(page).get_by_role("region", name="At Forgejo")
    found = judged(page, "proposed")
    request.get_by_role("button", name="Open a merge request").click()
    expect(request.get_by_role("link", name=LINK)).to_be_visible()
    found += judged(page, "opened")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert found == []


def test_the_journal_leads_to_it(stage: Stage, visit: Open) -> None:
    entry = {"id": "m1", "kind": "merge-request", "started": "2026-11-01T10:00:00Z", "guest": "mail", "by": "ann"}
    stage.played.journal.insert(0, {**entry, "result": "opened", "link": LINK})
    page = visit("viewer", "history")
    row = page.get_by_role("row", name="merge-request")
    expect(row).to_contain_text("by ann")
    expect(row.get_by_role("link", name=LINK)).to_have_attribute("href", LINK)
