# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a migration will take: the geometric series, and what becomes of guests it does not hold for."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import GIB, MIB
from ansible_collections.cspp.drover.plugins.module_utils.guest.migration_policy import Policy
from ansible_collections.cspp.drover.plugins.module_utils.planning import forecast as forecasting
from ansible_collections.cspp.drover.plugins.module_utils.planning.forecast import Forecast, achieved


def forecast(in_use: int, dirties: int, wire: int | None = None, before: int | None = None, **policy: Any) -> Forecast:
    asked = Policy(**{"bandwidth": 128 * MIB, **policy})
    return forecasting.forecast(in_use, dirties, asked, memory=in_use, wire=wire, before=before)


def test_an_idle_guest_takes_one_round() -> None:
    seen = forecast(128 * MIB, 0)
    assert (seen.rounds, seen.bytes, seen.seconds, seen.pause_ms) == (1, 128 * MIB, 1.7, 20)
    assert (seen.path, seen.converges) == ("pre-copy", True)
    assert str(seen) == "128 MiB, 1 round, 1.7 s, pause 20 ms: pre-copy, it changes next to nothing"


def test_disks_are_copied_first() -> None:
    seen = forecasting.forecast(128 * MIB, 0, Policy(bandwidth=128 * MIB), memory=GIB, disks=1280 * MIB)
    assert seen.seconds == 11.7
    assert str(seen).startswith("128 MiB and 1.2 GiB of disks, 1 round, 11.7 s")


def test_rounds_are_a_geometric_series() -> None:
    # A quarter is changed while it is sent: 1024, 256, 64, 16, 4, 1, 1/4 MiB; 128 KiB are sent in a millisecond.
    seen = forecast(GIB, 32 * MIB)
    assert seen.rounds == 7
    assert seen.bytes == GIB + (256 + 64 + 16 + 4 + 1) * MIB + MIB // 4
    assert seen.seconds == round(0.7 + seen.bytes / (128 * MIB), 1)
    assert seen.pause_ms == 21
    assert seen.worst_ms == 20 + 250
    assert "pause 21 ms (to 270 if it writes the same pages again and again)" in str(seen)


@pytest.mark.parametrize(
    ("policy", "path", "words"),
    [
        ({}, "auto-converge", "slowed down, by some 75%"),
        ({"auto_converge": False}, "abort", "would not end: it changes 256 MiB/s and 128 MiB/s are sent; allow"),
        ({"auto_converge": False, "post_copy": True}, "post-copy", "goes on at the target"),
        ({"auto_converge": True, "post_copy": True}, "auto-converge", "slowed down"),
        ({"auto_converge": False, "post_copy": False, "timeout": 20}, "abort", "would not end"),
        ({"bandwidth": GIB}, "pre-copy", "256 MiB/s and 1.0 GiB/s"),
    ],
)
def test_a_guest_that_changes_memory_faster_than_the_wire(policy: dict[str, Any], path: str, words: str) -> None:
    seen = forecast(GIB, 256 * MIB, **policy)
    assert seen.path == path
    assert words in str(seen)
    assert seen.converges == (path == "pre-copy")


def test_a_time_limit_that_is_too_short() -> None:
    assert forecast(4 * GIB, MIB, timeout=20, auto_converge=False).path == "abort"


@pytest.mark.parametrize(
    ("bandwidth", "wire", "before", "expected"),
    [
        (128, 1000, 60, 60),
        (128, 1000, 500, 128),
        (None, 1000, None, 800),
        (None, 100, 90, 80),
        (None, None, None, 100),
    ],
    ids=["achieved", "policy", "four fifths of the wire", "wire", "nothing known"],
)
def test_the_slowest_counts(bandwidth: int | None, wire: int | None, before: int | None, expected: int) -> None:
    known = [None if value is None else value * MIB for value in (bandwidth, wire, before)]
    assert forecast(GIB, 0, known[1], known[2], bandwidth=known[0]).bandwidth == expected * MIB


def move(source: str, target: str, rate: int, **more: Any) -> dict[str, Any]:
    ends = {"from": source, "to": target, "kind": "vm", "result": "moved"}
    return {**ends, "bytes": rate * 10, "seconds": 10.7, **more}


def test_what_earlier_moves_achieved() -> None:
    entries = [
        {"kind": "proof", "node": "n1", "result": "fenced"},
        move("n1", "n2", 1000),
        move("n2", "n1", 1200),
        move("n1", "n2", 1100),
        move("n1", "n3", 9999),
        move("n1", "n2", 9999, result="failed"),
        move("n1", "n2", 9999, kind="container"),
        move("n1", "n2", 9999, seconds=0.75),
        move("n1", "n2", 9999, bytes=None),
        move("n1", "n2", 9999, bytes=4999),
    ]
    assert achieved(entries, "n1", "n2", in_use=20_000) == 1200
    assert achieved(entries, "n2", "n3", in_use=20_000) is None
    assert achieved(entries, "n1", "n2", in_use=100_000) is None
