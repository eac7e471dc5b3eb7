# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.reporting import moves as report

MIB = 2**20
MOVE = {"guest": "game", "from": "node1", "to": "node2"}
RECORD = {
    **MOVE,
    "id": "1",
    "kind": "vm",
    "started": "2026-11-24T00:12:31.042Z",
    "result": "moved",
    "reason": "",
    "seconds": 1.83,
    "downtime_ms": 21,
    "rounds": 3,
    "bytes": 61 * MIB,
    "path": ["pre-copy", "limit 20 ms"],
}
FAILED = {**MOVE, "id": "2", "started": "2026-11-24T00:13:00.000Z", "result": "failed", "reason": "no route to node2"}


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (MOVE, "game: node1 -> node2"),
        ({**MOVE, "method": "restart", "seconds": 2.04, "downtime_ms": 1312}, "restart, 2.0 s, away 1.31 s"),
        (report.of_record(RECORD), "game: node1 -> node2, live, 1.8 s, pause 21 ms, 3 rounds, 61 MiB"),
        (
            {
                **report.of_record(RECORD),
                "client_silence_ms": 34.4,
                "probe": {"lost": 0, "sent": 412, "duplicated": 2, "broken": None},
            },
            "pause 21 ms, silence 34 ms, 0 of 412 packets lost, 2 doubled, 3 rounds, 61 MiB",
        ),
        (
            {**MOVE, "client_silence_ms": 9000.0, "probe": {"lost": 3, "sent": 9, "duplicated": 0, "broken": "reset"}},
            "silence 9.00 s, 3 of 9 packets lost, the session broke (reset)",
        ),
        (FAILED, "game: node1 -> node2, failed: no route to node2"),
    ],
)
def test_how_it_went(result: dict[str, Any], line: str) -> None:
    assert report.outcome(result).endswith(line)


COPYING = {**MOVE, "phase": "copying", "percent": 63.2, "rate": 118 * MIB, "round": 2, "pause_ms": 30}


@pytest.mark.parametrize(
    ("move", "line"),
    [
        ({**COPYING, "total": 2**31}, "63% of 2.0 GiB to node2, 118 MiB/s, round 2, pause 30 ms expected"),
        ({**COPYING, "remaining": 700 * MIB}, "63% to node2, 700 MiB left, 118 MiB/s, round 2, pause 30 ms expected"),
        ({**MOVE, "phase": "setup"}, "getting ready to move to node2"),
        ({**MOVE, "phase": "failed"}, "not moved to node2"),
        ({**MOVE, "phase": "post-copy", "percent": 70}, "70% to node2, post-copy"),
        ({**MOVE, "phase": "last difference", "percent": 99}, "99% to node2, last difference"),
        ({"guest": "game"}, "on its way to another node"),
    ],
)
def test_how_far_it_is(move: dict[str, Any], line: str) -> None:
    assert report.progress(move) == f"game: {line}"


def test_a_line_for_every_phase_and_every_two_seconds_for_each_guest() -> None:
    lines = report.Lines()
    web = {"guest": "web", "to": "node3", "phase": "setup"}
    setup, copying = {**MOVE, "phase": "setup"}, {**MOVE, "phase": "copying", "percent": 50}
    seen: list[tuple[float, list[dict[str, Any]]]] = [
        (0.0, [setup]),
        (1.0, [setup, web]),
        (1.5, [copying]),
        (2.5, [copying]),
        (3.6, [copying]),
        (4.0, []),
    ]
    said = [lines.due(moves, now) for now, moves in seen]
    far = "game: 50% to node2"
    assert said == [
        ["game: getting ready to move to node2"],
        ["web: getting ready to move to node3"],
        [far],
        [],
        [far],
        [],
    ]
    assert lines.due([copying], 4.1) == [far], "a new move of the same guest"


def test_the_journal_as_a_table() -> None:
    assert report.table([RECORD, FAILED]) == [
        "WHEN (UTC)           GUEST  FROM   TO     RESULT  SECONDS  PAUSE  ROUNDS  SIZE    HOW",
        "2026-11-24 00:12:31  game   node1  node2  moved   1.8      21 ms  3       61 MiB  pre-copy, limit 20 ms",
        "2026-11-24 00:13:00  game   node1  node2  failed  -        -      -       -       no route to node2",
    ]
