# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node loses its power while it carries guests: they answer again soon, never run twice, and the node comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import Outage, OutageProbe
from ansible_collections.cspp.drover.tests.witness import Witness

from ..lab import SERVICE, Lab, address, wait_until_answering
from ..plays import succeed

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]

#: Seconds from the cut until every guest answers again: loss noticed, node fenced, guests started.
DEADLINE = 60.0
LEAST_LOOKS_PER_SECOND = 5


@dataclass(frozen=True)
class Cut:
    """What clients and this machine saw from before the cut until all was well again."""

    node: str
    record: str
    #: Where each guest was when it answered again.
    places: dict[str, str]
    outages: dict[str, Outage]
    most: dict[str, int]
    looks_per_second: float


@pytest.fixture(scope="module")
def cut(lab: Lab, declared: Declared) -> Iterator[Cut]:
    """Gathers all guests on one node, cuts its power, and watches until the node is back."""
    node = lab.where("game")
    for name in declared:
        if lab.where(name) != node:
            succeed("migrate", guest=name, to=node)
    for guest in declared.values():
        wait_until_answering(guest, timeout=30)
    probes = {}
    for name, guest in declared.items():
        port, greeting = SERVICE[guest["kind"]]
        probes[name] = OutageProbe(address(guest), port, greeting=greeting)
    witness = Witness(list(declared), lab.folder)
    begun = time.monotonic()
    for watcher in (witness, *probes.values()):
        watcher.start()
    record = lab.record_move(node)
    try:
        lab.power(node, "off")
        wait_for(lambda: [n for n, p in probes.items() if p.up], lambda up: not up, what="silence", timeout=15)
        wait_for(
            lambda: [n for n, p in probes.items() if not p.up],
            lambda silent: not silent,
            what="every guest's return",
            timeout=DEADLINE,
            interval=0.1,
        )
        outages = {name: probe.stop() for name, probe in probes.items()}
        places = {name: lab.where_it_runs(name) for name in declared}
        # Nobody presses the button: the others switch it on again.
        lab.wait_for_members(180)
    finally:
        most = witness.stop()
    yield Cut(node, record, places, outages, most, witness.looks / (time.monotonic() - begun))


def test_every_guest_answers_again_in_time(cut: Cut) -> None:
    assert all(outage.over for outage in cut.outages.values())
    assert max(outage.length for outage in cut.outages.values()) < DEADLINE, cut.outages


def test_no_guest_ever_ran_twice(cut: Cut, declared: Declared) -> None:
    assert cut.most == dict.fromkeys(declared, 1)
    assert cut.looks_per_second >= LEAST_LOOKS_PER_SECOND


def test_the_node_was_fenced(lab: Lab, cut: Cut) -> None:
    # Asked of a node that was there: one that has just come back has yet to be told.
    witness = next(node for node in lab.nodes if node != cut.node)
    events = [event for event in Pacemaker(lab.ssh(witness)).status().fence_events if event.target == cut.node]
    assert events, "nobody fenced it"
    assert {event.status for event in events} == {"success"}
    assert "is on" in lab.power(cut.node, "status")


def test_what_it_had_recorded_is_known_to_the_others(lab: Lab, cut: Cut) -> None:
    assert all(lab.has_record(node, cut.record) for node in lab.nodes if node != cut.node)


def test_guests_stay_where_they_are_now(lab: Lab, cut: Cut, declared: Declared) -> None:
    # One that had yet to be started when the node was back may be there, if it prefers it.
    gone_back = [name for name in declared if lab.where(name) != cut.places[name]]
    assert gone_back == [], {name: lab.decisions(name) for name in gone_back}


def test_the_cluster_is_as_it_was(lab: Lab, cut: Cut) -> None:
    assert lab.status().failures == ()
    assert succeed("site", "--check").changed == set()
