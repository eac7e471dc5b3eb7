# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing is proven by fencing: a node is emptied, cut off, and comes back; it is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]
REMINDER = "was not proven in the last 30 days"


@pytest.mark.whole
def test_a_proof_is_made_and_remembered(lab: Lab, declared: Declared) -> None:
    node = lab.where("web")
    before = succeed("status", fencing_proof_days=30).told
    assert REMINDER in before
    assert f"{node} (never)" in before
    outcome = succeed("fencing", prove=True, node=node)
    assert f"{node}: off after" in outcome.told
    lab.wait_for_members(60)
    assert lab.where_it_runs("web") == node
    wait_until_answering(declared["web"], timeout=30)
    after = succeed("status", fencing_proof_days=30).told
    assert f"{node} (never)" not in after
    # The lab is not reminded, and a proof changes nothing that a run would have to mend.
    assert REMINDER not in succeed("status").told
    assert succeed("site", "--check").changed == set()


def test_only_one_thing_is_done_at_a_time(lab: Lab) -> None:
    assert play("fencing").rc != 0
    assert play("fencing", confirm="node1", prove=True).rc != 0
    assert "is a member of the cluster that is up" in play("fencing", confirm="node1").told
