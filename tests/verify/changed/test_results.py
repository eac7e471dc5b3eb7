# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a move was like for a client is measured and judged, and every node keeps the journal of moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..lab import JOURNAL, Lab, wait_until_answering
from ..plays import play, succeed

Declared = dict[str, dict[str, Any]]


@contextmanager
def away(lab: Lab, node: str) -> Iterator[None]:
    """The node does not answer others."""
    on_node = lab.ssh(node)
    on_node(["systemctl", "stop", "drover-peer.service"])
    try:
        yield
    finally:
        on_node(["systemctl", "start", "drover-peer.service"])


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


def test_every_node_has_the_journal_also_one_that_was_away_or_lost_it(lab: Lab) -> None:
    first, second, third, *_more = lab.nodes
    with away(lab, third):
        name = lab.record_move(first)
        assert [lab.has_record(node, name) for node in (first, second, third)] == [True, True, False]
    later = lab.record_move(second)
    assert all(lab.has_record(node, known) for node in lab.nodes for known in (name, later))

    # As new ones in their places.
    for node in (first, second):
        lab.ssh(node)(["rm", "-r", JOURNAL])
    told = succeed("journal", guest="tested")
    assert {name, later} <= {move["id"] for move in told.result("Read the journal")["moves"]}
    assert "node1  node2  moved   1.8      21 ms" in told.result("Moves")["msg"]
