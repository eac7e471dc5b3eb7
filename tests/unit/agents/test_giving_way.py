# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a move makes way for the guests of a node that was lost."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import leaving
from ansible_collections.cspp.drover.plugins.module_utils.agents.giving_way import giving_way


@pytest.mark.parametrize(
    ("lost", "going_down", "said"),
    [("", False, ""), ("n3", False, "n3 was lost, and what ran there"), ("n3", True, "")],
)
def test_not_from_a_node_that_goes_down(
    monkeypatch: pytest.MonkeyPatch, lost: str, going_down: bool, said: str
) -> None:
    class Seen:
        def look(self) -> str:
            return lost

    monkeypatch.setattr(leaving, "goes_down", lambda _node: going_down)
    losses: Any = Seen()
    reason = giving_way("n1", losses)()
    assert reason.startswith(said) and bool(reason) == bool(said)
