# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log-in by a provider in a real browser: to another site and back, with cookies that no other site can send."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import expect

from ansible_collections.cspp.drover.plugins.module_utils.journal import book
from ansible_collections.cspp.drover.plugins.module_utils.steward import fetching, provider
from ansible_collections.cspp.drover.plugins.module_utils.steward.access import Access
from ansible_collections.cspp.drover.plugins.module_utils.steward.discovery import Discovery
from ansible_collections.cspp.drover.plugins.module_utils.steward.records import Ledger
from ansible_collections.cspp.drover.plugins.module_utils.steward.sign_on import SignOn
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage
from ansible_collections.cspp.drover.tests.unit.steward.strict_provider import declared, serving
from tests.unit.console.page.conftest import Open


def test_a_log_in_by_a_provider_leads_to_where_one_wanted_to_go(
    stage: Stage,
    visit: Open,
    tmp_path: Path,
) -> None:
    # Of another site than the page, to browsers: no cookie comes along with who is sent back.
    with serving(tmp_path, f"{stage.address}oidc", time.time) as (strict, authority):
        access = Access(provider=provider.read(declared(strict, name="Strict", ca=authority)))
        ledger = Ledger(book.Book(tmp_path), lambda _entry: None)
        stage.played.sign_on = SignOn(
            lambda: access, lambda: [b"k" * 32], ledger, discovery=Discovery(fetching.perform)
        )
        page = visit(None, "guests/mail")
        page.get_by_role("button", name="Log in with Strict").click()
        expect(page.get_by_role("heading", name="mail", level=1)).to_be_visible()
        expect(page).to_have_url(f"{stage.address}#/guests/mail")
        (cookie,) = page.context.cookies(stage.address)
        assert (cookie["name"], cookie["sameSite"], cookie["httpOnly"]) == ("__Host-drover", "Strict", True)
        page.reload()
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
        # Somebody else's answer, as an address to click on.
        page.context.clear_cookies()
        page.goto(f"{stage.address}oidc?code=code&state=theirs&iss={strict.issuer}")
        expect(page.get_by_role("alert")).to_contain_text("it was not begun by this browser")
        expect(page).to_have_url(stage.address)
        page.goto(f"{stage.address}oidc?error=access_denied&error_description=Call+0900")
        expect(page.get_by_role("alert")).to_have_text(
            re.compile("^The provider did not log you in: access_denied. *Try")
        )
        assert page.context.cookies(stage.address) == []
