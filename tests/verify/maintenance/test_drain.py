# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node in maintenance is empty, and gets its guests back; a VM's clients notice neither."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab
from ..plays import succeed
from ..sessions import session_to

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]


def test_a_node_in_maintenance_is_empty_and_gets_its_guests_back(lab: Lab, declared: Declared) -> None:
    node = lab.where("game")
    with session_to(declared["game"]):
        emptied = succeed("maintenance", node=node, state="on")
        assert lab.where("game") != node
        assert f"plan: game: migrate live {node} -> {lab.where('game')}" in emptied.told
        assert {seen.name: seen.word for seen in lab.status().nodes}[node] == "maintenance"
        assert succeed("maintenance", node=node, state="on").changed == set()
        succeed("maintenance", node=node, state="off")
    assert lab.where("game") == node
    assert not [name for name in lab.configuration().constraints if "-home-" in name or "-drain-" in name]
    assert lab.status().failures == ()
