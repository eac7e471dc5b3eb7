# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes measure what a move was like for a client, and objectives judge it; the result says so, and the journal."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]


def test_what_a_client_notices_is_part_of_the_result(lab: Lab, declared: Declared) -> None:
    wait_until_answering(declared["game"], timeout=60)
    source = lab.where("game")
    moved = succeed("migrate", guest="game", probe="ping", slo={"client_silence": "3s", "packets_lost": 100})
    node = lab.where("game")
    result = moved.result("Move the guest")
    assert 0 < result["client_silence_ms"] < 3000
    assert result["probe"]["sent"] - result["probe"]["received"] == result["packets_lost"] <= 100
    assert result["packets_duplicated"] >= 0
    assert moved.result("Outcome")["msg"].startswith(f"game: {source} -> {node}, live, ")


def test_a_container_that_stops_here_and_starts_there_is_recorded_as_well(lab: Lab) -> None:
    source = lab.where("web")
    moved = succeed("migrate", guest="web")
    node = lab.where("web")
    result = moved.result("Move the guest")
    assert (result["journal"]["from"], result["journal"]["to"], result["journal"]["result"]) == (source, node, "moved")
    assert 0 < result["downtime_ms"] < 10_000
    assert " restart, " in moved.result("Outcome")["msg"] and " away " in moved.result("Outcome")["msg"]


def test_a_move_that_was_not_what_was_asked_for_fails_with_both_values(lab: Lab) -> None:
    """Probed from a node, through a session."""
    source = lab.where("game")
    done = play("migrate", guest="game", probe="tcp://:7", probe_from=source, slo={"client_silence": "1ms"})
    assert done.rc != 0
    [said] = done.failures
    assert "client_silence: at most 1ms asked, " in said
    assert lab.where("game") != source


def test_who_does_not_answer_a_probe_is_not_moved(lab: Lab) -> None:
    source = lab.where("game")
    done = play("migrate", guest="game", probe="tcp://:99")
    assert done.rc != 0
    [said] = done.failures
    assert "the probe gets no answer at tcp://" in said and "nothing was moved" in said
    assert lab.where("game") == source
