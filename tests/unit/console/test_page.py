# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page in a real browser, Debian's chromium, before the console itself and a played cluster (page_stage.py)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ansible_collections.cspp.drover.tests.browser import Windows, chromium, guests_of, ready, type_in
from ansible_collections.cspp.drover.tests.unit.console.page_stage import Stage

AXE = next((Path(__file__).parent / "vendor").glob("axe-core-*/axe.min.js"))
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
    "nodes",
    "history",
)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
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


def drain(page: Page, node: str) -> None:
    page.get_by_role("button", name=f"Drain {node}").click()


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


def test_a_guest_that_no_yaml_declares_is_edited(stage: Stage, visit: Open) -> None:
    page = visit("admin", "guests/runner/definition")
    form = page.get_by_role("form", name="Edit runner")
    send = form.get_by_role("button", name="Read the plan of the edit")
    send.click()
    expect(form.get_by_role("alert")).to_contain_text("Nothing differs")
    form.get_by_label("Memory, such as 2GiB").fill("10GiB")
    send.click()
    dialog = page.get_by_role("dialog", name="Edit runner?")
    expect(dialog).to_contain_text("memory: becomes 10GiB")
    assert stage.played.carried_out == []
    dialog.get_by_role("button", name="Edit runner").click()
    expect(dialog).not_to_be_attached()
    expect(form.get_by_label("Memory, such as 2GiB")).to_have_value("10240MiB")
    assert stage.played.plans["p1"]["changes"] == {"memory": "10GiB"}


def test_an_edit_of_a_declared_guest_is_a_patch_to_commit(stage: Stage, visit: Open) -> None:
    page = visit("operator", "guests/mail/definition")
    form = page.get_by_role("form", name="Change proposed of mail")
    form.get_by_label("Priority").fill("250")
    form.get_by_text("Other keys").click()
    form.get_by_label("As JSON").fill('{"placement": {"prefer": ["node2"]}}')
    form.get_by_text("Your file, for a patch of it").click()
    form.get_by_label("The file that declares mail").fill("guests:\n  mail:  # the post\n    ha: {priority: 200}\n")
    form.get_by_role("button", name="Propose the change").click()
    proposed = form.get_by_role("region", name="The change, to be committed")
    expect(proposed).to_contain_text("-    ha: {priority: 200}")
    expect(proposed).to_contain_text("+    ha: {priority: 250}")
    expect(proposed).to_contain_text("+    placement: {prefer: [node2]}")
    expect(proposed).to_contain_text("ha: becomes")
    expect(page.get_by_role("button", name="Edit it here from now on")).to_have_attribute("aria-disabled", "true")
    assert (stage.played.carried_out, stage.played.plans) == ([], {})


def _seen_green(page: Page) -> None:
    """Waits until the screen shows what the played VM does."""
    deadline = time.monotonic() + 20
    look = "it => it.width === 64 ? it.getContext('2d').getImageData(9, 9, 1, 1).data[1] : 0"
    while page.locator(".screen canvas").evaluate(look) != 200:
        assert time.monotonic() < deadline, "the screen stays black"
        page.wait_for_timeout(50)


def test_without_quorum_it_says_so_and_offers_nothing(stage: Stage, visit: Open) -> None:
    stage.played.quorum = False
    page = visit("admin", "nodes")
    banner = page.locator(".banners")
    expect(banner).to_contain_text("no quorum")
    expect(banner).to_contain_text("node1 and node3 cannot be reached")
    expect(banner).to_contain_text("Bring back so many nodes")
    expect(page.get_by_role("button", name="Drain node2")).to_have_attribute("aria-disabled", "true")


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
    drain(page, "node1")
    expect(page.get_by_role("dialog").locator("tbody tr")).to_have_count(3)
    found += judged(page, "plan")
    assert found == []


def judged(page: Page, place: str) -> list[str]:
    """What axe finds that is serious or critical."""
    page.evaluate(AXE.read_text() + ";0")
    # Half of a colour on its way to another has no contrast to speak of.
    page.evaluate(
        "Promise.all(document.getAnimations().filter(it => it.effect.getComputedTiming().iterations === 1)"
        ".map(it => it.finished))"
    )
    violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(it => it.violations)")
    grave = [one for one in violations if one["impact"] in ("serious", "critical")]
    return [
        f"{place}: {one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in grave
        for node in one["nodes"]
    ]
