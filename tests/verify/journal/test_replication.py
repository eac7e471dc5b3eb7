# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of moves is on every node, also on one that was away or has lost it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ..lab import JOURNAL, Lab
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")


@contextmanager
def away(lab: Lab, node: str) -> Iterator[None]:
    """The node does not answer others."""
    on_node = lab.ssh(node)
    on_node(["systemctl", "stop", "drover-peer.service"])
    try:
        yield
    finally:
        on_node(["systemctl", "start", "drover-peer.service"])


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
