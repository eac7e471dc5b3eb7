# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two nodes that lose sight of each other, with equal guests and slow power controllers: exactly one survives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.parallel import side_by_side
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import Behaviour, Chassis

from ..lab import Lab
from ..plays import succeed, variable
from ..stages import sample

pytestmark = pytest.mark.stage("pair")

#: How often they lose sight of each other.
ROUNDS = sample(3, 10)
#: Seconds from then on in which both would have been cut off if both were to be.
LONG = 20.0
CUT_OFF = "; ".join(
    (
        "add table inet cut",
        "add chain inet cut in { type filter hook input priority 0; }",
        "add rule inet cut in udp dport 5405 drop",
    )
)


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[tuple[str, str]]:
    """Two nodes, each with a container like the other's."""
    first, second = lab.nodes
    subnet = lab.description["subnet"].replace(".0/", ".{}/")
    guest: dict[str, Any] = {"kind": "container", "memory": "128MiB", "rootfs": {"image": "debian-13"}}
    guests = {
        name: {
            **guest,
            "nics": [{"bridge": "br0", "address": subnet.format(150 + number)}],
            "placement": {"prefer": [node]},
        }
        for number, (name, node) in enumerate((("a", first), ("b", second)))
    }
    gone = {name: {**declared, "state": "absent"} for name, declared in variable("guests").items()}
    succeed("guests", guests={**gone, **guests})
    for node in (first, second):
        lab.controller(node, Behaviour.SLOW)
    yield first, second
    for node in (first, second):
        lab.controller(node, Behaviour.PROMPT)


def powered(lab: Lab) -> dict[str, bool]:
    return {node: Chassis.load(lab.folder / "nodes" / node).is_on() for node in lab.nodes}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_exactly_one_survives(lab: Lab, pair: tuple[str, str], number: int) -> None:
    for guest, node in zip(("a", "b"), pair, strict=True):
        if lab.where_it_runs(guest) != node:
            succeed("migrate", guest=guest, to=node)
    before = {node: Chassis.load(lab.folder / "nodes" / node).leader() for node in pair}

    def cut(node: str) -> None:
        with suppress(CommandError):  # the slower one may be gone by then
            lab.ssh(node)(["nft", CUT_OFF], timeout=5)

    side_by_side(cut, pair)
    try:
        wait_for(
            lambda: powered(lab), lambda on: not all(on.values()), what="one to be cut off", timeout=40, interval=0.1
        )
        end, least = time.monotonic() + LONG, 2
        while time.monotonic() < end:
            least = min(least, sum(powered(lab).values()))
            time.sleep(0.1)
        assert least == 1
        survivors = [node for node in pair if Chassis.load(lab.folder / "nodes" / node).leader() == before[node]]
        # Equal guests: which of the two is settled beforehand.
        assert survivors == [pair[0]]
    finally:
        for node in pair:
            lab.ssh(node)(["nft", "delete", "table", "inet", "cut"], ok=None)
    # It is switched on again, and both go on.
    lab.wait_for_members(180)
    assert {lab.where_it_runs(guest) for guest in ("a", "b")} <= set(pair)
