# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the program that tells Ceph of a lost node learns of the node's fencing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.agents import ceph_lost
from ansible_collections.cspp.drover.plugins.module_utils.ceph.lost import verified
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult


def fence_event(action: str, at: str) -> str:
    return (
        f'<fence_event action="{action}" target="node2" client="pacemaker-controld.9300" origin="node1" '
        f'status="success" delegate="node3" completed="{at}"/>'
    )


#: What Pacemaker 3.0 had of a node that was fenced twice, the last first.
EVENTS = [
    fence_event("reboot", "2026-11-29 23:30:48.799933Z"),
    fence_event("on", "2026-11-29 23:28:39.811937Z"),
    fence_event("reboot", "2026-11-29 23:28:21.627938Z"),
]


def stonith_admin(argv: list[str], **_how: Any) -> CommandResult:
    """As Pacemaker 3.0 answers: without --verbose the first event alone stands for those that came after it."""
    told = EVENTS if "--verbose" in argv else EVENTS[-1:]
    text = f"<pacemaker-result><list>{''.join(told)}</list></pacemaker-result>"
    return CommandResult(tuple(argv), 0, text, "")


def test_a_node_that_is_fenced_again_is_gone_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceph_lost, "run", stonith_admin)
    told = ceph_lost._history("node3", "node2")
    now = time.mktime((2026, 11, 29, 23, 30, 49, 0, 0, 0)) - time.timezone
    assert verified(told, "node2", ["node1", "node2", "node3"], now) == "node3"
