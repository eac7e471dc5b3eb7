# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the cluster noticed, fenced and started, from what its nodes logged."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.drill.timeline import Event, Moments, events, moments

NOT_OURS = ["no JSON", "{}", json.dumps({"MESSAGE": "Node node1 state is now member", "__REALTIME_TIMESTAMP": "1"})]


def line(second: float, message: str) -> str:
    return json.dumps({"__REALTIME_TIMESTAMP": str(int(second * 1e6)), "MESSAGE": message})


LOG = [
    line(95, "Node node1 state is now lost"),
    line(102.5, "Node node1 state is now lost"),
    line(103, "Operation 'reboot' targeting node1 by node2 for pacemaker-controld.1@node3: Error (No device)"),
    line(104.75, "Operation 'reboot' targeting node1 by node2 for pacemaker-controld.1@node3: OK (Done)"),
    line(106, "Result of start operation for web on node3: OK"),
    line(106.5, "Result of start operation for game on node3: Error (oops)"),
    line(108, "Result of start operation for game on node2: OK"),
]


def test_events_are_told_from_other_lines() -> None:
    assert events(NOT_OURS) == []
    assert [(one.kind, one.name) for one in events(LOG)] == [
        ("lost", "node1"),
        ("lost", "node1"),
        ("not fenced", "node1"),
        ("fenced", "node1"),
        ("started", "web"),
        ("started", "game"),
    ]


@pytest.mark.parametrize(
    ("guest", "lost", "expected"),
    [
        pytest.param("game", ["node1"], Moments(2.5, 4.75, 8.0), id="of a node that was lost"),
        pytest.param("web", ["node1"], Moments(2.5, 4.75, 6.0), id="another"),
        pytest.param("web", ["node3"], Moments(None, None, 6.0), id="of a node that nobody missed"),
        pytest.param("shop", [], Moments(None, None, None), id="one of which nothing is told"),
    ],
)
def test_moments(guest: str, lost: list[str], expected: Moments) -> None:
    assert moments(events(LOG), 100.0, guest, lost) == expected


def test_a_guest_that_crashed_is_detected_by_its_monitor_or_by_its_recovery() -> None:
    log = [
        line(101, "Result of monitor operation for game on node1: OK"),
        line(103, "Result of monitor operation for game on node1: Not running"),
        line(103.5, "Requesting local execution of stop operation for game on node1"),
    ]
    assert moments(events(log), 100.0, "game") == Moments(detected=3.0)
    assert moments(events(log[2:]), 100.0, "game") == Moments(detected=3.5)
    assert moments([Event(99.0, "failed", "game")], 100.0, "game") == Moments()
