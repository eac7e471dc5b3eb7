# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""High availability is paused for work on the network: no node is fenced, guests run on, and all is settled after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for

from ..lab import Lab, boot, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]
#: Seconds in which a cluster that is not paused has fenced a node twice over.
LONG_ENOUGH = 12
#: Drops what corosync says and hears.
CUT = """
table inet deaf {
  chain in { type filter hook input priority -300; udp dport 5405 drop; }
  chain out { type filter hook output priority -300; udp dport 5405 drop; }
}
"""


@contextmanager
def deaf(lab: Lab, node: str) -> Iterator[None]:
    """The node's corosync neither hears nor is heard."""
    there = lab.ssh(node)
    there(["nft", "-f", "-"], stdin=CUT)
    try:
        yield
    finally:
        there(["nft", "delete", "table", "inet", "deaf"])


@pytest.fixture(scope="module", autouse=True)
def active(lab: Lab) -> Iterator[None]:
    yield
    if lab.status().maintenance:
        succeed("ha", state="active", fence="true")


def fenced(lab: Lab) -> list[str]:
    return [event.when for event in lab.status().fence_events]


def test_a_network_that_is_worked_on_costs_no_node_its_power(lab: Lab, declared: Declared) -> None:
    node, before, events = lab.where("game"), boot(declared["game"]), fenced(lab)
    told = succeed("ha", "--check", state="paused")
    assert told.changed and not lab.status().maintenance
    assert "high availability is paused since" in succeed("ha", state="paused").told
    assert succeed("ha", state="paused").changed == set()
    others = [name for name in lab.nodes if name != node]
    with deaf(lab, node):
        wait_for(
            lambda: lab.ssh(others[0])(["crm_mon", "-1"]).stdout,
            lambda text: "UNCLEAN" in text,
            what="the loss of the node",
            timeout=LONG_ENOUGH,
        )
        with pytest.raises(WaitTimeout):
            wait_for(lambda: fenced(lab), lambda now: now != events, what="no power cut", timeout=LONG_ENOUGH)
        assert "HA PAUSED" in succeed("status").told
        refused = play("ha", state="active")
        assert refused.rc != 0 and f"{node} is not there" in str(refused.failures)
    lab.wait_for_members(60)
    assert (lab.instances("game", "web"), fenced(lab)) == ({"game": 1, "web": 1}, events)
    refused = play("migrate", guest="game")
    assert refused.rc != 0 and "high availability is paused" in refused.told + str(refused.failures)
    succeed("ha", state="active")
    assert (lab.where("game"), boot(declared["game"]), fenced(lab)) == (node, before, events)


def test_what_ended_meanwhile_is_started_afterwards(lab: Lab, declared: Declared) -> None:
    node = lab.where("game")
    succeed("ha", state="paused")
    lab.ssh(node)(["sh", "-c", "kill -KILL $(cat /run/libvirt/qemu/game.pid)"])
    wait_for(lambda: lab.instances("game")["game"], lambda count: count == 0, what="the end of the VM", timeout=10)
    succeed("ha", state="active")
    wait_until_answering(declared["game"], timeout=60)
    assert lab.status().maintenance is False


def test_the_cluster_is_as_it_was(lab: Lab) -> None:
    lab.ask(lambda cluster: cluster.retry("game"))
    assert succeed("site", "--check").changed == set()
