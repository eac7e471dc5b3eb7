# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what a browser shows can be used by everybody: axe-core's judgement of it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

__all__ = ["judged"]

_AXE = next((Path(__file__).parents[1] / "vendor").glob("axe-core-*/axe.min.js"))


def judged(page: Page, place: str) -> list[str]:
    """What axe finds that is serious or critical."""
    page.evaluate(_AXE.read_text() + ";0")
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
