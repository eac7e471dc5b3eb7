# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in by an OpenID Connect provider, in a real browser and on real nodes: to the provider and back, with the role
that is declared for one's groups. The provider is the strict one of the unit tests, on this machine.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from ansible_collections.cspp.drover.tests.browser import Windows
from ansible_collections.cspp.drover.tests.unit.steward import strict_provider
from ansible_collections.cspp.drover.tests.unit.steward.strict_provider import SECRET, StrictProvider

from ..lab import Lab
from ..plays import succeed
from .reaching import DECLARED, page_url

pytestmark = [pytest.mark.stage("console"), pytest.mark.usefixtures("nothing_against_it")]

FILE = "/etc/drover/console/oidc.json"
NAME = "Strict"
#: The cookie of who is logged in.
SESSION = "__Host-drover"


@pytest.fixture(scope="module")
def provider(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StrictProvider]:
    """The provider, declared to the cluster."""
    folder, here = tmp_path_factory.mktemp("provider"), lab.description["gateway"]
    with strict_provider.serving(folder, f"{page_url()}oidc", time.time, here) as (strict, authority):
        declared = strict_provider.declared(strict, name=NAME, ca=authority)
        try:
            outcome = succeed("site", "--diff", **DECLARED, console_oidc=declared)
            assert SECRET not in outcome.output
            yield strict
        finally:
            succeed("site", **DECLARED)
    for node in lab.nodes:
        assert lab.ssh(node)(["cat", FILE]).stdout.strip() == "{}"


def logged_in(windows: Windows, provider: StrictProvider, *groups: str, place: str = "nodes") -> Page:
    """A window of somebody in these groups who comes back from the provider."""
    provider.person["groups"] = list(groups)
    page = windows.open(place)
    page.get_by_role("button", name=f"Log in with {NAME}").click()
    return page


def test_who_is_in_a_group_with_a_role_gets_it_and_is_where_they_were(
    windows: Windows, provider: StrictProvider
) -> None:
    page = logged_in(windows, provider, "members", "wheel", "chess")
    expect(page.get_by_role("heading", name="Nodes", level=1)).to_be_visible()
    expect(page).to_have_url(f"{page_url()}#/nodes")
    expect(page.locator(".who")).to_have_text(re.compile("oidc:ann *operator"))
    expect(page.get_by_role("button", name="Drain node1")).to_have_attribute("aria-disabled", "false")
    [cookie] = page.context.cookies(page_url())
    assert (cookie["name"], cookie["sameSite"], cookie["httpOnly"]) == (SESSION, "Strict", True)
    # A code is used up.
    assert provider.codes == {}


def test_another_group_is_another_role(windows: Windows, provider: StrictProvider) -> None:
    page = logged_in(windows, provider, "members")
    expect(page.locator(".who")).to_have_text(re.compile("oidc:ann *viewer"))
    button = page.get_by_role("button", name="Drain node1")
    expect(button).to_have_accessible_name(re.compile("takes the role operator"))


def test_who_is_in_none_of_the_groups_does_not_get_in(windows: Windows, provider: StrictProvider) -> None:
    page = logged_in(windows, provider, "chess")
    expect(page.get_by_role("alert")).to_contain_text("none has a role here")
    windows.complaints()  # of the answer that said so
    assert SESSION not in {one["name"] for one in page.context.cookies(page_url())}
    expect(page.get_by_label("Password")).to_be_visible()


def test_the_secret_is_roots_alone(lab: Lab, provider: StrictProvider) -> None:
    for node in lab.nodes:
        there = lab.ssh(node)
        assert there(["stat", "-c", "%a %U", FILE]).stdout.split() == ["600", "root"]
        assert SECRET in there(["cat", FILE]).stdout
        assert SECRET not in there(["ps", "-eo", "args"]).stdout
        assert SECRET not in there(["journalctl", "--no-pager", "--output=cat", "--since=-10min"]).stdout
