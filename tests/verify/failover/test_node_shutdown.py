# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node is rebooted from its own shell: its guests leave first, and a VM's clients notice nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab, wait_until_answering
from ..plays import succeed
from ..sessions import session_to

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]


def test_the_guests_of_a_node_that_is_rebooted_leave_first(lab: Lab, declared: Declared) -> None:
    node = lab.where("game")
    if lab.where("web") != node:
        succeed("migrate", guest="web", to=node)
    fenced = lab.status().fence_events
    with session_to(declared["game"]):
        lab.ssh(node)(["systemctl", "reboot"], ok=None)
        wait_for(
            lambda: {name: lab.status().resource(name) for name in declared},
            lambda seen: all(one and one.running and one.node != node for one in seen.values()),
            what=f"the guests of {node} elsewhere",
            timeout=60,
        )
    wait_until_answering(declared["web"], timeout=30)
    lab.wait_for_members(120)
    assert lab.status().failures == ()
    assert lab.instances(*declared) == dict.fromkeys(declared, 1)
    # In order, and not because the others lost sight of it. A node that has just started may not know older events.
    assert set(lab.status().fence_events) <= set(fenced)
