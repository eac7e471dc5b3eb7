# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of the whole cluster, in a real browser: problems, the commit that runs, failovers, a lost quorum."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open


def test_the_overview_tells_of_problems_first_and_of_what_would_be_lost(visit: Open) -> None:
    page = visit("viewer")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 problem to solve now")
    problems = page.locator(".problems article")
    expect(problems.first).to_contain_text("scratch does not start")
    expect(problems.first).to_contain_text("Restore its disk")
    expect(page.locator(".node", has_text="node2").first.locator(".block")).to_have_count(3)
    page.get_by_role("button", name="If it died now: node2").click()
    expect(page.locator(".fate")).to_contain_text("2 guests would start again elsewhere. runner would stay down")


def test_which_commit_runs_and_how_a_failover_went(visit: Open) -> None:
    page = visit("viewer")
    expect(page.get_by_text("Declared in commit 3f2c1a9d4e5b; no drift.")).to_be_visible()
    page.goto(page.url.partition("#")[0] + "#/history")
    failover = page.locator("#failover-f1")
    expect(failover).to_contain_text("drill power, over after 6.8 s")
    expect(failover.locator("ol li")).to_have_text(
        [
            re.compile(words)
            for words in ("lost its power", "noticed", "known to be off", "minecraft started", "answered again")
        ]
    )


def test_without_quorum_it_says_so_and_offers_nothing(stage: Stage, visit: Open) -> None:
    stage.played.quorum = False
    page = visit("admin", "nodes")
    banner = page.locator(".banners")
    expect(banner).to_contain_text("no quorum")
    expect(banner).to_contain_text("node1 and node3 cannot be reached")
    expect(banner).to_contain_text("Bring back so many nodes")
    expect(page.get_by_role("button", name="Drain node2")).to_have_attribute("aria-disabled", "true")
