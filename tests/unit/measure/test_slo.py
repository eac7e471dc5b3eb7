# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.measure import slo


@pytest.mark.parametrize(
    ("values", "probed", "asked"),
    [
        (None, False, {}),
        ({}, True, {}),
        ({"downtime": "50ms"}, False, {"downtime": 50}),
        (
            {"client_silence": "0.1s", "downtime": "1s", "packets_lost": 0},
            True,
            {"client_silence": 100, "downtime": 1000, "packets_lost": 0},
        ),
        ({"packets_lost": "3"}, True, {"packets_lost": 3}),
    ],
)
def test_what_is_asked(values: dict[str, Any] | None, probed: bool, asked: dict[str, int]) -> None:
    assert slo.read(values, probed=probed) == asked


@pytest.mark.parametrize(
    ("values", "probed", "words"),
    [
        ({"client_silence": "100ms"}, False, "slo.client_silence: nobody can tell without a probe"),
        ({"packets_lost": 0}, False, "slo.packets_lost: nobody can tell without a probe"),
        ({"client_silence": "100"}, True, "write 100ms or 100s"),
        ({"client_silence": "0ms"}, True, "more than nothing"),
        ({"downtime": "1us"}, True, "unknown unit 'us'"),
        ({"packets_lost": -1}, True, "not within 0"),
        ({"packets_lost": "none"}, True, "not a whole number"),
        ({"silence": "100ms"}, True, "did you mean client_silence"),
        ({"downtme": "1s", "packets_lost": "x"}, True, r"packets_lost: .*; slo\.downtme: .*did you mean downtime"),
    ],
)
def test_nonsense_and_what_cannot_be_told(values: dict[str, Any], probed: bool, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        slo.read(values, probed=probed)


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ({"client_silence_ms": 100.0, "downtime_ms": 20, "packets_lost": 0}, []),
        (
            {"client_silence_ms": 143.2, "downtime_ms": 20, "packets_lost": 2},
            ["client_silence: at most 100ms asked, 143.2ms measured", "packets_lost: at most 0 asked, 2 measured"],
        ),
        (
            {"client_silence_ms": 34.0, "downtime_ms": None, "packets_lost": 0},
            ["downtime: at most 50ms asked, nobody could measure it"],
        ),
        (
            {"client_silence_ms": 34.0, "downtime_ms": 9, "packets_lost": 0, "probe": {"broken": "reset"}},
            ["the probe's session broke: reset"],
        ),
    ],
)
def test_what_was_not_kept_is_told_with_both_values(measured: dict[str, Any], said: list[str]) -> None:
    assert slo.breaches({"client_silence": 100, "downtime": 50, "packets_lost": 0}, measured) == said


def test_who_asks_for_nothing_gets_no_complaint() -> None:
    assert slo.breaches({}, {"probe": {"broken": "reset"}}) == []
