# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new guest proposed from nothing, in a real browser: its YAML, a patch, a merge request, and what is wrong."""

from __future__ import annotations

import re

import pytest
import yaml
from playwright.sync_api import Locator, Page, expect

from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble
from ansible_collections.cspp.drover.tests.unit.console.page.axe import judged
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open

FORGE = {"kind": "forgejo", "name": "Forgejo", "project": "club/cluster"}


def form_of(page: Page) -> Locator:
    return page.get_by_role("form", name="New guest")


def filled(page: Page, address: str = "10.0.0.40/24") -> Locator:
    """The form, as somebody fills it in who knows what they want."""
    form = form_of(page)
    form.get_by_label("Name, which").fill("shop")
    form.get_by_label("Description", exact=True).fill("Sells things")
    form.get_by_label("Address with its prefix").fill(address)
    return form


def answer(form: Locator) -> Locator:
    form.get_by_role("button", name="Propose the guest").click()
    shown = form.get_by_role("region", name="The guest, to be committed")
    expect(shown).to_be_visible()
    return shown


def said(shown: Locator) -> object:
    """What the YAML says that is shown first."""
    return yaml.safe_load(shown.locator("pre").first.inner_text())


def test_a_vm_is_proposed_from_nothing_and_nothing_is_made(stage: Stage, visit: Open) -> None:
    page = visit("operator", "guests")
    page.get_by_role("button", name="New guest").click()
    expect(page.get_by_role("heading", name="New guest", level=1)).to_be_focused()
    form = filled(page)
    form.get_by_label("CPUs").fill("2")
    form.get_by_role("button", name="Add a disk").click()
    second = form.get_by_role("group", name="Disk 2")
    second.get_by_label("Size").fill("100GiB")
    second.get_by_label("Pool").select_option("fast")
    form.get_by_role("button", name="Add an interface").click()
    wire = form.get_by_role("group", name="Interface 2")
    expect(wire.get_by_label("VLAN")).to_have_count(0)
    wire.get_by_label("Bridge").select_option("br1")
    wire.get_by_label("VLAN").fill("7")
    shown = answer(form)
    assert said(shown) == {
        "guests": {
            "shop": {
                "kind": "vm",
                "description": "Sells things",
                "vcpus": 2,
                "memory": "1GiB",
                "disks": [{"size": "20GiB", "image": "debian-13"}, {"size": "100GiB", "pool": "fast"}],
                "nics": [{"bridge": "br0", "address": "10.0.0.40/24"}, {"bridge": "br1", "vlan": 7}],
            }
        }
    }
    expect(shown).to_contain_text("shop would start on node1.")
    expect(shown.get_by_role("region", name="Where it could be").get_by_role("listitem")).to_have_count(3)
    expect(shown).to_contain_text("when that node is lost, it waits for its return")
    expect(shown.get_by_role("region", name="What the play alone judges")).to_contain_text("volumes that are left")
    expect(shown.get_by_role("button", name="Open a merge request")).to_have_count(0)
    shown.get_by_text("The same from elsewhere").click()
    expect(shown.locator(".learn pre")).to_have_text("ansible-playbook playbooks/guests.yml --check --diff")
    shown.get_by_role("tab", name="curl").click()
    expect(shown.locator(".learn pre")).to_contain_text("$DROVER_URL/api/v1/guests")
    assert (stage.played.carried_out, stage.played.operations) == ([], [])
    assert "shop" not in [guest["name"] for guest in stage.played.guests]


def test_a_container_has_other_fields_and_is_patched_into_a_file(visit: Open) -> None:
    page = visit("operator", "new-guest")
    form = filled(page)
    form.get_by_label("Kind").select_option("container")
    # What both have stays.
    expect(form.get_by_label("Name, which")).to_have_value("shop")
    expect(form.get_by_label("Memory it may grow to")).to_have_count(0)
    form.get_by_role("group", name="Root file system").get_by_label("Most it may hold").fill("4GiB")
    form.get_by_label("Started").uncheck()
    form.get_by_text("Other keys").click()
    form.get_by_label("As JSON").fill('{"placement": {"prefer": ["node2"]}, "ssh_keys": []}')
    form.get_by_text("Your file, for a patch of it").click()
    form.get_by_label("The file that declares").fill("guests:\n  mail: {kind: vm}  # post")
    patch = answer(form).locator("pre").first.inner_text()
    assert [line for line in patch.splitlines() if line.startswith("+ ")] == [
        "+  shop:",
        "+    kind: container",
        "+    state: stopped",
        "+    description: Sells things",
        "+    memory: 1GiB",
        "+    rootfs: {image: debian-13, size: 4GiB}",
        "+    nics: [{bridge: br0, address: 10.0.0.40/24}]",
        "+    ssh_keys: []",
        "+    placement: {prefer: [node2]}",
    ]
    assert "   mail: {kind: vm}  # post" in patch


def test_a_vm_that_boots_from_a_kernel_needs_no_disk(visit: Open) -> None:
    form = filled(visit("operator", "new-guest"))
    expect(form.get_by_role("button", name="Remove disk 1")).to_have_count(0)
    form.get_by_label("Image").select_option("tiny")
    form.get_by_role("button", name="Remove disk 1").click()
    form.get_by_role("button", name="Remove interface 1").click()
    assert said(answer(form)) == {
        "guests": {"shop": {"kind": "vm", "description": "Sells things", "memory": "1GiB", "image": "tiny"}}
    }


def test_what_is_wrong_is_told_where_it_is_and_mended(visit: Open) -> None:
    form = filled(visit("operator", "new-guest"), "10.0.0.21/24")
    memory, address = form.get_by_label("Memory, such as"), form.get_by_label("Address with its prefix")
    memory.fill("lots")
    form.get_by_text("Other keys").click()
    form.get_by_label("As JSON").fill('{"colour": "red"}')
    form.get_by_role("button", name="Propose the guest").click()
    alert = form.get_by_role("alert")
    expect(alert).to_contain_text("3 things are wrong.")
    # What has no field is told with its place.
    expect(alert).to_contain_text("colour: is not a key here")
    expect(memory).to_have_attribute("aria-invalid", "true")
    expect(memory).to_have_accessible_description(re.compile("'lots' is not a size"))
    expect(address).to_have_accessible_description(re.compile("10.0.0.21 is also the address of guests.website"))
    expect(memory).to_be_focused()
    expect(form.get_by_role("region", name="The guest, to be committed")).to_have_count(0)
    memory.fill("2GiB")
    address.fill("10.0.0.41/24")
    form.get_by_label("As JSON").fill("{")
    form.get_by_role("button", name="Propose the guest").click()
    expect(alert).to_contain_text("The other keys are no JSON.")
    expect(memory).not_to_have_attribute("aria-invalid", "true")
    form.get_by_label("As JSON").fill("")
    answer(form)
    expect(form.get_by_role("alert")).to_have_count(0)


def test_a_name_is_told_of_at_its_field(visit: Open) -> None:
    form = filled(visit("operator", "new-guest"))
    name = form.get_by_label("Name, which")
    for text, words in (
        ("", "is missing"),
        ("mail", "is the name of a guest that there is"),
        ("A b", "is a host name"),
    ):
        name.fill(text)
        name.press("Enter")
        expect(name).to_have_accessible_description(re.compile(words))


def test_a_merge_request_is_of_the_declaration(stage: Stage, visit: Open) -> None:
    stage.played.forge = FORGE
    shown = answer(filled(visit("operator", "new-guest")))
    request = shown.get_by_role("region", name="At Forgejo")
    request.get_by_text("The same from elsewhere").click()
    request.get_by_role("tab", name="curl").click()
    expect(request.locator("pre")).to_contain_text('{"declaration":{"kind":"vm"')
    request.get_by_role("button", name="Open a merge request").click()
    expect(request.get_by_role("link")).to_have_attribute("href", "https://git.example.org/pulls/1")
    [branch] = stage.played.merge_requests
    assert branch.startswith("drover/shop-")


def test_who_may_not_is_told_why(visit: Open) -> None:
    page = visit("viewer", "guests")
    button = page.get_by_role("button", name="New guest")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", re.compile("this takes the role operator"))
    button.click(force=True)
    expect(page.get_by_role("heading", name="Guests", level=1)).to_be_visible()
    page = visit("viewer", "new-guest")
    submit = form_of(page).get_by_role("button", name="Propose the guest")
    expect(submit).to_have_attribute("aria-disabled", "true")


def test_a_node_that_was_told_nothing_says_what_to_do(
    stage: Stage, visit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untold(*_said: object) -> None:
        raise Trouble("not_told", 409, "this node was not told what a new guest can have", remedy="Run site.yml.")

    monkeypatch.setattr(stage.played, "_offers", untold)
    alert = visit("operator", "new-guest").get_by_role("alert")
    expect(alert).to_contain_text("Run site.yml.")
    expect(alert.get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_of_it_is_out_of_reach(stage: Stage, visit: Open, scheme: str, width: int) -> None:
    stage.played.forge = FORGE
    page = visit("operator", "new-guest", width, scheme)
    form = filled(page)
    for summary in form.locator("summary").all():
        summary.click()
    found = judged(page, "open")
    answer(form)
    found += judged(page, "proposed")
    form.get_by_label("Memory, such as").fill("lots")
    form.get_by_role("button", name="Propose the guest").click()
    expect(form.get_by_role("alert")).to_be_visible()
    found += judged(page, "wrong")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert found == []
