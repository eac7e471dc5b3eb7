# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Merge requests, for clusters that are played: a forge that opens one for each change. What real ones do is in
tests/unit/steward/strict_forge.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.steward.actions import proposed
from ansible_collections.cspp.drover.plugins.module_utils.steward.merge_requests import branch_of
from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble

__all__ = ["AtForge"]


class AtForge:
    """The steward's verb of it. ``forge`` is what is told of the forge, ``merge_requests`` are the pages by branch, and
    ``forge_trouble`` is why it does nothing."""

    forge: dict[str, Any] | None = None
    forge_trouble: Trouble | None = None
    merge_requests: dict[str, str]

    def _merge_request(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        branch = branch_of(proposed(given))
        if self.forge_trouble is not None:
            raise self.forge_trouble
        state = "found" if branch in self.merge_requests else "opened"
        url = self.merge_requests.setdefault(branch, f"https://git.example.org/pulls/{len(self.merge_requests) + 1}")
        return {"merge_request": {"url": url, "branch": branch, "state": state}}
