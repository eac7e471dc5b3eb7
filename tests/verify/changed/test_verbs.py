# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests move by request and out of a node in maintenance, a VM without its clients noticing; a dry run moves none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.cspp.drover.tests.clients import SessionProbe

from ..lab import Lab, address, wait_until_answering
from ..plays import succeed

Declared = dict[str, dict[str, Any]]

#: Seconds that an open session may hear nothing. Far above what is measured, far below what a client gives up after.
SILENCE = 3.0


@contextmanager
def session_to(guest: dict[str, Any], *, rate: int = 100) -> Iterator[None]:
    """A client's open TCP session, which has to outlive what is done meanwhile; so many lines a second are echoed."""
    probe = SessionProbe(address(guest), rate=rate)
    probe.start()
    yield
    session = probe.stop()
    assert session.alive, session.broken
    assert session.received > 0
    assert session.silence < SILENCE


def test_a_vm_moves_under_an_open_session(lab: Lab, declared: Declared) -> None:
    wait_until_answering(declared["game"], timeout=60)
    source, before = lab.where("game"), lab.version()
    foretold = succeed("migrate", "--check", guest="game").result("Plan")["msg"]
    assert (lab.where("game"), lab.version()) == (source, before)
    with session_to(declared["game"]):
        moved = succeed("migrate", guest="game")
    target = lab.where("game")
    assert target != source
    # It is the same plan, and was told before the guest left.
    assert foretold[0] == f"game: migrate live {source} -> {target}"
    assert f"plan: {foretold[0]}" in moved.output.partition(f"game: migrating on {source}")[0]
    assert f"game: migrating on {source}" in moved.output
    assert lab.instances("game") == {"game": 1}
    # Nothing of the move is left in the cluster, and to move it where it is changes nothing.
    assert not [name for name in lab.configuration().constraints if "-move-" in name]
    assert succeed("migrate", guest="game", to=target).changed == set()


def test_a_container_moves(lab: Lab, declared: Declared) -> None:
    source = lab.where("web")
    succeed("migrate", guest="web")
    assert lab.where("web") != source
    wait_until_answering(declared["web"], timeout=30)
    assert lab.instances("web") == {"web": 1}


def test_a_node_in_maintenance_is_empty_and_gets_its_guests_back(lab: Lab, declared: Declared) -> None:
    node = lab.where("game")
    with session_to(declared["game"]):
        emptied = succeed("maintenance", node=node, state="on")
        assert lab.where("game") != node
        assert f"plan: game: migrate live {node} -> {lab.where('game')}" in emptied.output
        assert {seen.name: seen.word for seen in lab.status().nodes}[node] == "maintenance"
        assert succeed("maintenance", node=node, state="on").changed == set()
        succeed("maintenance", node=node, state="off")
    assert lab.where("game") == node
    assert not [name for name in lab.configuration().constraints if "-home-" in name or "-drain-" in name]
    assert lab.status().failures == ()
