# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page in a real browser, Debian's chromium, before real nodes: what people do there, and what comes of it.

The same before a played cluster, quicker and in more detail, is tests/unit/console/page/. Each test leaves the
guests as they are declared.
"""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.browser import Windows, guests_of, ready, type_in

from ..lab import Lab, boot, init_of, wait_until_answering
from ..plays import INVENTORY, succeed
from ..sessions import session_to

pytestmark = [pytest.mark.stage("console"), pytest.mark.usefixtures("nothing_against_it")]

#: Milliseconds for a node's guests to leave, or to come back.
LEAVING = 90_000
#: Seconds until the cluster has what was confirmed in the page.
PATIENCE = 60.0
#: The file that declares the lab's guests.
GUESTS = INVENTORY / "group_vars" / "all" / "guests.yml"
DECLARE = "Declare the guests to the cluster"
#: What marks a window that was not loaded anew.
MARK = "window.marked"

Declared = dict[str, dict[str, Any]]


def plan_of(page: Page, title: str) -> Locator:
    """The dialog with a plan, once there is one to confirm."""
    dialog = page.get_by_role("dialog", name=f"{title}?")
    expect(confirmation(dialog, title)).to_have_attribute("aria-disabled", "false")
    return dialog


def confirmation(dialog: Locator, title: str) -> Locator:
    return dialog.get_by_role("button", name=title, exact=True)


def confirm(dialog: Locator, title: str) -> None:
    confirmation(dialog, title).click()
    expect(dialog).not_to_be_attached()


def targets(dialog: Locator) -> dict[str, str]:
    """Where a plan has each guest go, in its order."""
    rows = [row.locator("th, td").all_inner_texts() for row in dialog.locator("tbody tr").all()]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    return {guest: to for _number, guest, to, *_more in rows}


def place_of(page: Page) -> Locator:
    """What the page of a guest says of where it is."""
    return page.locator(".subject .hint")


def blocks_of(page: Page, node: str) -> Locator:
    """The guests that the overview's map has at a node."""
    return page.locator(".node", has=page.get_by_role("heading", name=node)).locator(".block")


def answered(page: Page, command: str, answer: str) -> None:
    """Give a command until the console shows its answer: what is typed while it is connected again is lost."""

    def tried() -> bool:
        ready(page)
        type_in(page, f"{command}\n")
        page.wait_for_timeout(1000)
        return answer in page.locator(".xterm-rows").inner_text()

    wait_for(tried, bool, what=f"{answer!r} in the console", timeout=PATIENCE, interval=0)


def moved(page: Page, guest: str) -> str:
    """Have the page move a guest, and wait until it shows it there: at which node."""
    page.get_by_role("group", name=f"Actions on {guest}").get_by_role("button", name="Move").click()
    dialog = plan_of(page, f"Move {guest}")
    [target] = targets(dialog).values()
    confirm(dialog, f"Move {guest}")
    expect(place_of(page)).to_have_text(re.compile(f" on {target}$"), timeout=LEAVING)
    return target


def done(windows: Windows, page: Page, title: str, words: str) -> None:
    """Wait until the page has the newest operation of this title as done, with what came of it."""
    windows.show(page, "history")
    newest = page.locator(".task", has_text=title).first
    expect(newest).to_contain_text("done", timeout=LEAVING)
    expect(newest).to_contain_text(words)


def state_of(lab: Lab, node: str) -> str:
    return {seen.name: seen.word for seen in lab.status().nodes}[node]


@contextmanager
def in_service_again(lab: Lab, node: str) -> Iterator[None]:
    """Have a node in service in the end, whatever became of its return."""
    try:
        yield
    finally:
        if state_of(lab, node) == "maintenance":
            succeed("maintenance", node=node, state="off")


def memory_of(lab: Lab, guest: str) -> Callable[[], str]:
    """MiB of a guest's memory, to the cluster."""
    return lambda: lab.configuration().guests()[guest].utilization["memory"]


@contextmanager
def put_back(*variables: str) -> Iterator[None]:
    """Have all guests as they are declared again in the end, whatever happened to them."""
    try:
        yield
    finally:
        succeed("guests", *variables)
        assert succeed("guests", "--check").changed == set()


def test_who_gives_a_wrong_password_stays_outside(windows: Windows, operator: Page, viewer: Page) -> None:
    page = windows.open("guests/web")
    page.get_by_label("User").fill("operator")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not go together")
    assert page.context.cookies() == []
    for inside, role in ((operator, "operator"), (viewer, "viewer")):
        expect(inside.locator(".who")).to_contain_text(role)
        assert [one["name"] for one in inside.context.cookies()] == ["__Host-drover"]


def test_a_viewer_sees_all_and_changes_nothing(lab: Lab, windows: Windows, operator: Page, viewer: Page) -> None:
    before = lab.version()
    for place, some in (("nodes", len(lab.nodes)), ("guests/web", 3), ("guests/web/definition", 2)):
        windows.show(viewer, place)
        offered = viewer.get_by_role("button", name=re.compile("^(Drain|Return|Start|Stop|Move|Propose|Edit it)"))
        expect(offered.nth(some - 1)).to_be_visible()
        for button in offered.all():
            expect(button).to_have_attribute("aria-disabled", "true")
            expect(button).to_have_accessible_name(re.compile("takes the role (operator|admin)"))
    for guest in ("web", "game"):
        windows.show(viewer, f"guests/{guest}/console")
        expect(viewer.locator(".blank")).to_contain_text("takes the role operator")

    node = next(iter(lab.nodes))
    status, plan = posted(operator, "plans", {"action": "drain", "subject": node})
    assert status == 200, plan
    orders: dict[str, dict[str, Any]] = {
        "plans": {"action": "drain", "subject": node},
        f"plans/{plan['plan']['id']}/carry-out": {},
        f"nodes/{node}/drain": {},
        "guests/web/migrate": {},
        "guests/web/stop": {},
        "guests/web/proposal": {"changes": {"memory": "1GiB"}},
    }
    refused = {path: posted(viewer, path, body)[0] for path, body in orders.items()}
    windows.complaints()  # of the answers that say so
    assert refused == dict.fromkeys(orders, 403)
    assert lab.version() == before


def posted(page: Page, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Status and document of what the page itself, with its cookie, would be answered."""
    asking = """async ([path, body]) => {
      const headers = {"Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID()};
      const answer = await fetch(`/api/v1/${path}`, {method: "POST", headers, body: JSON.stringify(body)});
      return [answer.status, await answer.json()];
    }"""
    status, document = page.evaluate(asking, [path, body])
    return status, document


def test_a_drain_is_read_confirmed_and_watched(
    lab: Lab, declared: Declared, windows: Windows, operator: Page, viewer: Page
) -> None:
    node = lab.where("game")
    if lab.where("web") != node:
        succeed("migrate", guest="web", to=node)
    windows.show(operator, "nodes")
    windows.show(viewer, "")
    viewer.evaluate(f"{MARK} = true")
    expect(blocks_of(viewer, node)).to_have_count(2)
    before = lab.version()
    operator.get_by_role("button", name=f"Drain {node}").click()
    dialog = plan_of(operator, f"Drain {node}")
    expect(dialog).to_contain_text("2 guests move.")
    plan = targets(dialog)
    assert set(plan) == {"game", "web"}
    live = dialog.locator("tr", has_text="game")
    expect(live).to_contain_text("moves live")
    # Its place, the forecast pause, and how long the move takes.
    numbers = [re.compile(form) for form in ("^[12]$", r"^\d+ ms$", r"^[\d.]+ m?s$")]
    expect(live.locator(".number")).to_have_text(numbers)
    expect(dialog.locator("tr", has_text="web")).to_contain_text("restarts there")
    assert lab.version() == before, "something happened before it was confirmed"
    with in_service_again(lab, node), session_to(declared["game"]):
        confirm(dialog, f"Drain {node}")
        expect(viewer.get_by_role("region", name="Now")).to_contain_text(f"Drain {node}")
        expect(viewer.get_by_role("progressbar").first).to_be_visible()
        expect(guests_of(operator, node)).to_have_count(0, timeout=LEAVING)
        expect(blocks_of(viewer, node)).to_have_count(0)
        for guest, to in plan.items():
            expect(blocks_of(viewer, to).filter(has_text=guest)).to_have_count(1, timeout=LEAVING)
        done(windows, viewer, f"Drain {node}", f"game: {node} -> {plan['game']}, live")
        assert {guest: lab.where(guest) for guest in plan} == plan
        assert state_of(lab, node) == "maintenance"

        windows.show(viewer, "")
        operator.get_by_role("button", name=f"Return {node}").click()
        back = plan_of(operator, f"Return {node}")
        assert targets(back) == {"game": node, "web": node}
        confirm(back, f"Return {node}")
        expect(guests_of(operator, node)).to_have_count(2, timeout=LEAVING)
        expect(blocks_of(viewer, node)).to_have_count(2)
        done(windows, viewer, f"Return {node}", f"game: {plan['game']} -> {node}, live")
        expect(operator.get_by_role("button", name=f"Drain {node}")).to_be_visible()
        assert state_of(lab, node) == "online"
    assert {lab.where(guest) for guest in plan} == {node}
    assert viewer.evaluate(MARK) is True, "the viewer's page was loaded anew"


def test_a_terminal_comes_back_after_its_containers_move(lab: Lab, windows: Windows, operator: Page) -> None:
    before = lab.where("web")
    windows.show(operator, "guests/web/console")
    answered(operator, "kept=old; echo $((6 * 7))-$(hostname)", "42-web")
    target = moved(operator, "web")
    answered(operator, "echo ${kept:-new}-shell", "new-shell")
    assert lab.where("web") == target != before


def test_a_serial_port_stays_with_its_vm(lab: Lab, declared: Declared, windows: Windows, operator: Page) -> None:
    before, first = lab.where("game"), boot(declared["game"])
    windows.show(operator, "guests/game/console")
    # The shell there begins with the first line.
    answered(operator, "", "~ #")
    answered(operator, "kept=old; echo $((6 * 7))-$(hostname)", "42-game")
    with session_to(declared["game"]):
        target = moved(operator, "game")
    answered(operator, "echo ${kept:-new}-shell", "old-shell")
    assert (lab.where("game"), boot(declared["game"])) == (target, first)
    assert target != before


def test_a_guest_that_no_yaml_declares_is_edited(lab: Lab, windows: Windows, admin: Page, operator: Page) -> None:
    init = init_of(lab, "web")
    with put_back():
        windows.show(admin, "guests/web/definition")
        admin.get_by_role("button", name="Edit it here from now on").click()
        confirm(plan_of(admin, "Release web"), "Release web")
        form = admin.get_by_role("form", name="Edit web")
        expect(form).to_be_visible(timeout=LEAVING)
        form.get_by_label("Memory, such as 2GiB").fill("288MiB")
        form.get_by_label("Priority").fill("7")
        assert memory_of(lab, "web")() == "256"
        form.get_by_role("button", name="Read the plan of the edit").click()
        dialog = plan_of(admin, "Edit web")
        expect(dialog).to_contain_text("memory: 256MiB becomes 288MiB")
        confirm(dialog, "Edit web")
        wait_for(memory_of(lab, "web"), lambda now: now == "288", what="the cluster's word of it", timeout=PATIENCE)
        assert lab.configuration().guests()["web"].meta["priority"] == "7"
        # Others see it, and that it is an admin's to edit.
        windows.show(operator, "guests/web/definition")
        expect(operator.get_by_label("Memory, such as 2GiB")).to_have_value("288MiB")
        edit = operator.get_by_role("button", name="Read the plan of the edit")
        expect(edit).to_have_accessible_name(re.compile("takes the role admin"))
    assert memory_of(lab, "web")() == "256"
    assert lab.configuration().guests()["web"].meta.get("priority") is None
    assert init_of(lab, "web") == init, "it was restarted"


def test_an_edit_of_a_declared_guest_is_a_patch_that_leaves_no_drift(
    lab: Lab, windows: Windows, operator: Page, viewer: Page, tmp_path: Path
) -> None:
    file = tmp_path / "guests.yml"
    file.write_text(GUESTS.read_text(encoding="utf-8"))
    before = lab.version()
    windows.show(operator, "guests/web/definition")
    form = operator.get_by_role("form", name="Change proposed of web")
    form.get_by_label("Memory, such as 2GiB").fill("288MiB")
    form.get_by_label("Priority").fill("7")
    form.get_by_text("Your file, for a patch of it").click()
    form.get_by_label("The file that declares web").fill(file.read_text())
    form.get_by_role("button", name="Propose the change").click()
    proposed = form.get_by_role("region", name="The change, to be committed")
    expect(proposed).to_contain_text("memory: 256MiB becomes 288MiB")
    patch = proposed.locator("pre").first.text_content() or ""
    subprocess.run(["git", "apply", "--verbose"], cwd=tmp_path, input=patch, check=True, text=True)
    assert _said(GUESTS, file) == {"-    memory: 256MiB", "+    memory: 288MiB", "+    ha: {priority: 7}"}
    assert lab.version() == before, "a proposal has changed the cluster"

    copied = f"--extra-vars=@{file}"
    with put_back():
        predicted = succeed("guests", "--check", "--diff", copied)
        assert lab.version() == before, "the dry run has changed the cluster"
        assert predicted.result(DECLARE)["objects"] == ["update resource web"]
        done = succeed("guests", "--diff", copied)
        assert done.changed == predicted.changed
        assert done.result(DECLARE)["diff"] == predicted.result(DECLARE)["diff"]
        assert memory_of(lab, "web")() == "288"
        assert lab.configuration().guests()["web"].meta["priority"] == "7"
        again = succeed("guests", "--check", "--diff", copied)
        assert (again.changed, again.result(DECLARE)["objects"]) == (set(), [])
        windows.show(viewer, "")
        expect(viewer.get_by_text("no drift")).to_be_visible(timeout=LEAVING)


def _said(before: Path, after: Path) -> set[str]:
    """The lines that differ between two files, as a patch has them."""
    made = subprocess.run(["diff", "-U0", str(before), str(after)], capture_output=True, text=True, check=False).stdout
    return {line for line in made.splitlines()[2:] if line[0] in "+-"}


def test_a_screen_shows_its_vm_and_takes_keys(lab: Lab, declared: Declared, windows: Windows, operator: Page) -> None:
    guests = copy.deepcopy(declared)
    guests["game"]["screen"] = True
    with put_back("--extra-vars=guests_allow_restart=game"):
        succeed("guests", guests=guests, guests_allow_restart="game")
        wait_until_answering(guests["game"], timeout=PATIENCE)
        windows.show(operator, "guests/game/console")
        tabs = operator.get_by_role("tablist", name="Consoles of game")
        tabs.get_by_role("tab", name="Serial port").click()
        answered(operator, "", "~ #")
        # What the keyboard says is read at the other console.
        type_in(operator, "cat /dev/tty1\n")
        tabs.get_by_role("tab", name="Screen").click()
        ready(operator)
        canvas = operator.locator(".screen canvas")
        colours = wait_for(lambda: _colours(canvas), lambda seen: seen > 1, what="a picture", timeout=PATIENCE)
        assert colours > 1
        canvas.focus()
        operator.keyboard.type("by the screen\n", delay=50)
        tabs.get_by_role("tab", name="Serial port").click()
        expect(operator.locator(".xterm-rows")).to_contain_text("by the screen")
        operator.locator(".xterm-helper-textarea").focus()
        operator.keyboard.press("Control+c")
    wait_until_answering(declared["game"], timeout=PATIENCE)


def _colours(canvas: Locator) -> int:
    """How many colours a picture of a VM's size has."""
    counting = """it => {
      if (it.width < 640 || it.height < 400) return 0;
      const data = new Uint32Array(it.getContext("2d").getImageData(0, 0, it.width, it.height).data.buffer);
      return new Set(data).size;
    }"""
    found: int = canvas.evaluate(counting)
    return found
