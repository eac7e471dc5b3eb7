# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation says of the repository is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.tests import docs

PAGES = [docs.ROOT / "README.md", *sorted((docs.ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that a forge gives the headings of a page."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_a_page_that_is_made_from_the_code_is_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs.PAGES[page](), "make docs writes it anew"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def test_the_readme_stays_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 130


def test_every_command_of_the_makefile_that_tests_or_measures_is_described() -> None:
    targets = re.findall(r"^([a-z-]+):", (docs.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    page = (docs.ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    told = {"help", "setup", "setup-dev", "clean", "docs", "screenshots", "scenario"}
    assert [target for target in targets if target not in told and f"`make {target}" not in page] == []
