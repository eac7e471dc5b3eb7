# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections from a machine that is no node, hundreds a second, keep no guest from moving, stopping or starting.

This machine is such a one: it has an address in the nodes' network, and no certificate. How many moves and connections
a second: DROVER_FLOOD="10 500".
"""

from __future__ import annotations

import copy
import socket
import time
from contextlib import suppress
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.flood import Flood

from ..lab import Lab, wait_until_answering
from ..plays import succeed
from ..sessions import session_to
from ..stages import sample

pytestmark = pytest.mark.stage("changed")

MOVES, RATE = sample((2, 300), (10, 500))
PEER, LIBVIRT = 16515, 16514
#: Seconds for which each is held: some thousands are open at a time.
HOLD = 10.0
#: The processes of a service.
_TASKS = ["systemctl", "show", "-p", "TasksCurrent", "--value", "drover-peer.service"]
_MAIN = ["systemctl", "show", "-p", "MainPID", "--value", "drover-peer.service"]
#: As a node asks another in the heat of a start.
_ASK = """
import sys, time
sys.path.insert(0, "/usr/lib/drover/current")
from drover.peer.channel import ask
longest = 0.0
for node in sys.argv[1:] * 5:
    began = time.monotonic()
    ask(node, {"do": "vm runs", "guest": "game"}, 2.0)
    longest = max(longest, time.monotonic() - began)
print(longest)
"""

Declared = dict[str, dict[str, Any]]


def children(lab: Lab, node: str) -> int:
    """The processes that the node's service has for requests."""
    on_node = lab.ssh(node)
    main = on_node(_MAIN).stdout.strip()
    return len(on_node(["cat", f"/proc/{main}/task/{main}/children"]).stdout.split())


def test_a_stranger_is_turned_away_without_a_process(lab: Lab) -> None:
    node = next(iter(lab.nodes))
    wait_for(lambda: children(lab, node), lambda count: count == 0, what="an idle service", timeout=30)
    said = b""
    with suppress(ConnectionResetError), socket.create_connection((lab.nodes[node].address, PEER), 5) as stranger:
        said = stranger.recv(1)
    assert said == b""
    assert children(lab, node) == 0


def test_a_flood_keeps_no_guest_from_moving_stopping_or_starting(lab: Lab, declared: Declared) -> None:
    places = [(node.address, port) for node in lab.nodes.values() for port in (PEER, LIBVIRT)]
    guests = copy.deepcopy(declared)
    wait_until_answering(declared["game"], timeout=60)
    with Flood(places, rate=RATE, hold=HOLD) as flood:
        time.sleep(2)
        with session_to(declared["game"]):
            for _move in range(MOVES):
                source = lab.where("game")
                succeed("migrate", guest="game")
                assert lab.where("game") != source
        node = lab.where("game")
        others = [name for name in lab.nodes if name != node]
        assert float(lab.ssh(node)(["python3", "-I", "-c", _ASK, *others], timeout=60).stdout) < 2
        assert max(children(lab, name) for name in lab.nodes) < 16, "processes are spent on strangers"
        # Away and back again: a stop that is none of a power cut, and a start that asks all members first.
        succeed("guests", guests={**guests, "game": {"state": "absent"}})
        assert lab.instances("game") == {"game": 0}
        succeed("guests")
        wait_until_answering(declared["game"], timeout=60)
        assert lab.instances("game") == {"game": 1}
        assert flood.per_second > RATE * 0.6, "this machine was too slow for a flood"
    lines = lab.ssh(node)(["journalctl", "-t", "drover-peer", "--since=-10min", "--grep=turned away"]).stdout
    assert 0 < len(lines.splitlines()) < 30, "a line a minute tells of a flood"
