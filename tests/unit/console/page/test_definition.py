# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's definition in a real browser: edited here where no YAML declares it, a patch to commit where one does."""

from __future__ import annotations

from playwright.sync_api import expect

from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from tests.unit.console.page.conftest import Open


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
