# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The preflight of a cluster that is as declared finds nothing against any move, and touches nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab
from ..plays import succeed

pytestmark = pytest.mark.stage("built")

CHECK = "Check the moves"


def test_every_guest_can_go_everywhere(lab: Lab, declared: dict[str, dict[str, Any]]) -> None:
    before = lab.version()
    outcome = succeed("preflight")
    assert outcome.changed == set()
    assert lab.version() == before
    checks = outcome.result(CHECK)["checks"]
    assert {(one["guest"], one["to"]) for one in checks} == {
        (guest, node) for guest in declared for node in lab.nodes if node != lab.where(guest)
    }
    assert [finding for one in checks for finding in one["findings"]] == []


def test_a_node_tells_all_of_it_well_within_the_time_that_it_is_given(lab: Lab) -> None:
    ask = (
        "import sys, time; sys.path.insert(0, '/usr/lib/drover/current'); from drover.peer.channel import ask\n"
        "start = time.monotonic(); ask(sys.argv[1], {'do': 'facts', 'guests': None}); print(time.monotonic() - start)"
    )
    for node in lab.nodes:
        took = float(lab.ssh(next(iter(lab.nodes)))(["python3", "-c", ask, node]).stdout)
        assert took < 5.0
