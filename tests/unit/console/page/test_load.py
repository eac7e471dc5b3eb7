# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loads and hardware in the page, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.tests.unit.console.page.axe import judged
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open

#: Of the pixels of a canvas, how many are in colours of their own, neither grey nor clear.
_PAINTED = """it => {
  const {data} = it.getContext("2d").getImageData(0, 0, it.width, it.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4)
    found += data[at + 3] > 0 && Math.max(...data.slice(at, at + 3)) - Math.min(...data.slice(at, at + 3)) > 40;
  return found;
}"""


def chart(page: Page, title: str) -> Locator:
    return page.locator(".chart", has=page.get_by_role("heading", name=title))


def painted(page: Page, title: str) -> int:
    canvas = chart(page, title).locator("canvas")
    expect(canvas).to_be_visible()
    return int(canvas.evaluate(_PAINTED))


def test_the_overview_shows_what_is_in_use_and_what_is_promised(stage: Stage, visit: Open) -> None:
    page = visit("viewer")
    node = page.locator(".node", has=page.get_by_role("heading", name="node2"))
    memory = node.get_by_role("meter", name="Memory of node2")
    expect(memory).to_have_attribute("aria-valuetext", re.compile(r"^[\d.]+ of 22 GiB in use, 15 GiB promised, \d+ %$"))
    expect(node.get_by_role("meter", name="CPUs of node2")).to_have_attribute(
        "aria-valuetext", re.compile(r"^[\d.]+ of 16 in use, 14 promised, \d+ %$")
    )
    wide = memory.locator("i").evaluate_all("all => all.map(it => it.getBoundingClientRect().width)")
    whole = memory.evaluate("it => it.getBoundingClientRect().width")
    promised, used = (round(part / whole, 2) for part in wide)
    assert promised == 0.75
    assert used == pytest.approx(stage.played.look()["nodes"][1]["load"]["memory"] / (22 << 30), abs=0.011)
    expect(page.locator(".block", has_text="gitea")).to_have_attribute("title", re.compile(r"of 4 CPUs in use$"))
    # Without a word from it, the bar is of what is promised, and says so.
    stage.played.quorum = False
    memory = page.get_by_role("meter", name="Memory of node1")
    expect(memory).to_have_attribute("aria-valuetext", "8.5 of 20 GiB promised, 43 %")
    expect(memory.locator("i")).to_have_count(1)


def test_a_node_has_its_last_hour_and_its_hardware(visit: Open) -> None:
    page = visit("viewer", "nodes")
    page.locator(".machine h2").get_by_role("link", name="node1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("node1")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    for title in ("Processors", "Memory", "Network", "Disks"):
        assert painted(page, title) > 200, title
    expect(chart(page, "Processors").locator(".hint")).to_have_text(re.compile(r"^[\d.]+ of 16 busy$"))
    expect(chart(page, "Network").get_by_role("img")).to_have_accessible_name(
        re.compile(r"^Network of node1 in the last hour; now [\d.]+ [KM]iB/s received, [\d.]+ [KM]iB/s sent\.")
    )
    hardware = page.locator(".hardware")
    for words in ("PowerEdge R640", "1 socket, 8 cores, 16 threads, VT-x", "6.12.57+deb13-amd64", "1:10.0.6+ds"):
        expect(hardware).to_contain_text(words)
    expect(hardware.get_by_role("region", name="Network cards").get_by_role("row", name="eno1")).to_contain_text(
        "10 Gbit/s"
    )
    # What a node does not know of itself is not there, rather than empty.
    page.goto(page.url.replace("node1", "node3"))
    expect(hardware).to_contain_text("16 threads")
    for words in ("Machine", "Firmware", "Corosync", "Disk", "undefined", "null"):
        expect(hardware).not_to_contain_text(words)


def test_who_points_at_one_plot_reads_that_moment_of_all(visit: Open) -> None:
    page = visit("viewer", "nodes/node1")
    painted(page, "Processors")
    first, other = (chart(page, title).locator(".hint") for title in ("Processors", "Memory"))
    now = first.inner_text()
    box = chart(page, "Processors").locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(first).to_have_text(re.compile(r"of 16 busy\d\d:\d\d"))
    expect(other).to_have_text(re.compile(r"of 22 GiB in use\d\d:\d\d"))
    page.mouse.move(0, 0)
    expect(first).to_have_text(now)


def test_a_guests_hour_tells_where_it_was_and_is_a_table_too(visit: Open) -> None:
    page = visit("viewer", "guests/mail/load")
    assert painted(page, "Memory") > 200
    page.goto(page.url.replace("mail", "gitea"))
    expect(page.locator(".hour")).to_contain_text(re.compile(r"It moved: \d\d:\d\d.* from node1 to node2\."))
    # By keyboard alone.
    page.get_by_role("button", name="Table").focus()
    page.keyboard.press("Enter")
    rows = page.get_by_role("region", name="Load of gitea").locator("tbody tr")
    expect(rows.first).to_contain_text("node2")
    expect(rows.last).to_contain_text("node1")
    assert 12 <= rows.count() <= 14
    expect(page.locator(".hour canvas")).to_have_count(0)
    page.goto(page.url.replace("gitea", "archive"))
    expect(page.locator(".hour")).to_contain_text("Nothing is known of the last hour")


def test_a_node_that_is_away_is_said_to_be(stage: Stage, visit: Open) -> None:
    stage.played.quorum = False
    page = visit("viewer", "nodes/node3")
    expect(page.get_by_role("alert")).to_have_count(2)
    expect(page.get_by_role("alert").first).to_contain_text("node3 is not online, so nobody can ask it")
    expect(page.get_by_role("alert").first).to_contain_text("Look again when it is back.")


def test_a_plot_goes_on_and_stays_when_a_reading_fails(
    stage: Stage,
    visit: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = visit("viewer")
    page.clock.install()
    page.goto(f"{stage.address}#/nodes/node1")
    painted(page, "Processors")
    canvas, hint = chart(page, "Processors").locator("canvas"), chart(page, "Processors").locator(".hint")
    drawn = canvas.evaluate("it => { it.dataset.before = 'yes'; return it.toDataURL(); }")
    real = stage.played._node_load

    def busier(given: dict[str, str], role: object) -> dict[str, object]:
        told = real(given, role)
        told["load"]["cpu"][-1] = 15.5
        return told

    monkeypatch.setattr(stage.played, "_node_load", busier, raising=False)
    page.clock.run_for(16_000)
    expect(hint).to_have_text("15.5 of 16 busy")
    page.wait_for_function("before => document.querySelector('.chart canvas').toDataURL() !== before", arg=drawn)

    def fails(_given: object, _role: object) -> dict[str, object]:
        raise Trouble("node_away", 503, "node1 cannot be asked", remedy="Look at its peer service.")

    monkeypatch.setattr(stage.played, "_node_load", fails, raising=False)
    page.clock.run_for(16_000)
    expect(page.get_by_role("alert")).to_contain_text("node1 cannot be asked")
    # The same canvas, not one made anew.
    expect(page.locator(".chart canvas[data-before]")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_of_it_is_out_of_reach(stage: Stage, visit: Open, scheme: str, width: int) -> None:
    page = visit("viewer", "", width, scheme)
    found: list[str] = []
    for place in ("nodes/node1", "nodes/node3", "guests/factorio/load", "guests/archive/load"):
        page.goto(f"{stage.address}#/{place}")
        expect(page.get_by_role("heading", level=1)).to_have_text(place.split("/")[1])
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        found += judged(page, place)
        for shown in page.get_by_role("button", name="Table").all():
            shown.click()
            found += judged(page, f"{place}, as a table")
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{place}: {wide} pixels wide"] if wide > width else []
    assert found == []
