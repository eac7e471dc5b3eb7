# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the program that tells Ceph of a lost node learns of the node's fencing."""

from __future__ import annotations

import io
import socket
import time
from pathlib import Path
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


@pytest.mark.parametrize(
    ("alert", "passed"),
    [
        ({"kind": "fencing", "node": "node2", "rc": "0", "desc": "Operation reboot of node2"}, b"node2\n"),
        ({"kind": "fencing", "node": "node2", "rc": "1", "desc": "Operation reboot of node2"}, b""),
        ({"kind": "node", "node": "node2", "rc": "", "desc": "lost"}, b"node2 out-of-sight\n"),
        ({"kind": "node", "node": "node2", "rc": "", "desc": "member"}, b""),
    ],
)
def test_the_alert_passes_the_name_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alert: dict[str, str], passed: bytes
) -> None:
    monkeypatch.setattr(ceph_lost, "SOCKET", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as there:
        there.bind(str(tmp_path / "socket"))
        there.listen()
        there.settimeout(0.2)
        assert ceph_lost.alert({f"CRM_alert_{name}": value for name, value in alert.items()}) == 0
        if passed:
            assert there.accept()[0].recv(64) == passed
        else:
            with pytest.raises(TimeoutError):
                there.accept()


MONITORS = [{"name": f"node{number}", "rank": number - 1} for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("quorum", "elected"), [([0, 1, 2], True), ([0, 2], False), ([], False)], ids=["before", "after", "meanwhile"]
)
def test_monitors_elect_as_soon_as_a_node_is_out_of_sight_and_once(
    monkeypatch: pytest.MonkeyPatch, quorum: list[int], elected: bool
) -> None:
    asked: list[str] = []

    def ask(path: Path, command: str) -> dict[str, Any]:
        asked.append(f"{path.name}: {command}")
        return {"quorum": quorum, "monmap": {"mons": MONITORS}}

    monkeypatch.setattr(ceph_lost, "ask", ask)
    monkeypatch.setattr(ceph_lost, "node_name", lambda: "node1")
    monkeypatch.setattr(ceph_lost, "monitors", lambda: {one["name"]: "" for one in MONITORS})
    monkeypatch.setattr(ceph_lost, "_history", lambda *_who: pytest.fail("nothing is told of a node that may live"))
    monkeypatch.setattr("sys.stdin", io.StringIO("node2 out-of-sight\n"))
    assert ceph_lost.main() == 0
    assert ("ceph-mon.node1.asok: quorum enter" in asked) is elected
