# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A sample of `make fuzz`: declarations nobody would think of."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster import cib_xml
from ansible_collections.cspp.drover.plugins.module_utils.storage import seed
from ansible_collections.cspp.drover.tests.fuzz import properties
from ansible_collections.cspp.drover.tests.fuzz.mutations import declaration

CASES = 150


def outcomes() -> list[tuple[bool, list[str]]]:
    return [properties.broken(declaration(Random(f"unit/{number}"))) for number in range(CASES)]


def test_what_is_accepted_comes_out_as_declared() -> None:
    found = outcomes()
    assert [faults for _accepted, faults in found if faults] == []
    assert 0.1 * CASES < sum(accepted for accepted, _faults in found) < 0.9 * CASES


def test_it_would_be_noticed_if_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault of each side: one thing accepted that cannot be, and one rendered wrong."""
    rendered = seed.vm_files

    def wrong(*arguments: Any, **more: Any) -> dict[str, str]:
        files = rendered(*arguments, **more)
        return {**files, "network-config": files["network-config"].replace("/24", "/16")}

    game = {"kind": "vm", "memory": "1GiB", "image": "tiny", "nics": [{"bridge": "br0", "address": "10.0.0.20/24"}]}
    assert properties.broken({"game": game}) == (True, [])
    monkeypatch.setattr(seed, "vm_files", wrong)
    assert any("addresses is" in fault for fault in properties.broken({"game": game})[1])
    monkeypatch.undo()
    monkeypatch.setattr(cib_xml, "part_id", lambda owner, part: f"{owner}-{part}")
    twins = {"game": game, "game-utilization": {**game, "nics": []}}
    assert properties.broken(twins) == (True, ["the cluster would have game-utilization 2 times"])
