# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make screenshots`: the pictures of the console's page that README.md and docs/ show.

The page is the real one in Debian's chromium, before the console itself; the cluster is the played one of its tests, so
that pictures made twice show the same.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".cache" / "collections"))

from ansible_collections.cspp.drover.tests.browser import Windows, chromium  # noqa: E402
from ansible_collections.cspp.drover.tests.unit.console.page.stage import Stage  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"


class Picture(NamedTuple):
    """One picture: its file, the place in the page, what is pressed there first, the window's size, light or dark."""

    file: str
    place: str
    press: str | None = None
    size: tuple[int, int] = (1280, 800)
    scheme: Any = "light"


#: The first is the README's.
WANTED = (
    Picture("overview.png", ""),
    Picture("overview-dark.png", "", scheme="dark"),
    Picture("drain.png", "nodes", press="Drain node2"),
    Picture("guest.png", "guests/mail/moves"),
    Picture("phone.png", "guests", size=(390, 844)),
)


def main() -> int:
    """Make them all."""
    PICTURES.mkdir(exist_ok=True)
    with Stage() as stage, chromium() as browser:
        for wanted in WANTED:
            take(stage.anew(), browser, wanted)
            print(f"{(PICTURES / wanted.file).relative_to(ROOT)}", flush=True)
        # The console notices only now that nobody listens for its events, and would tell of it at length.
        logging.disable()
    return 0


def take(stage: Stage, browser: Browser, wanted: Picture) -> None:
    """Log in as an operator, go there, and keep what is seen."""
    windows = Windows(browser, stage.address)
    page = windows.open(wanted.place, session=("operator", "operator"), size=wanted.size, scheme=wanted.scheme)
    if wanted.press:
        page.get_by_role("button", name=wanted.press).click()
        page.get_by_role("dialog").wait_for()
    # Events keep the network busy for ever: there is no end of loading to wait for.
    page.wait_for_timeout(1000)
    page.screenshot(path=PICTURES / wanted.file, animations="disabled")
    windows.close()


if __name__ == "__main__":
    sys.exit(main())
