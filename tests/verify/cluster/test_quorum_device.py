# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A third host that judges between two nodes: it comes, it is asked, it fails, and it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround

from ..lab import Lab
from ..plays import play, succeed

pytestmark = pytest.mark.stage("pair")

#: Outside of the cluster; the scenario says that it is in group qnetd.
DEVICE = "node3"
#: Seconds within which a node has quorum after a loss: the token, the consensus and the time-out of the device.
SETTLED = 8.0
#: Seconds in which a node that was to be fenced would have been.
LONG_ENOUGH = 12.0


def quorum(lab: Lab, node: str) -> dict[str, str]:
    """What corosync-quorumtool says of the votes: "Quorate", "Total votes", "Flags" and more."""
    said = lab.ssh(node)(["corosync-quorumtool", "-s"], ok=None).stdout
    pairs = (line.partition(":") for line in said.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def votes(lab: Lab) -> set[str]:
    """What the nodes say that there are; one thing, when they are at one."""
    return {f"{found['Total votes']} {found['Flags']}" for found in (quorum(lab, node) for node in lab.nodes)}


@contextmanager
def power_cut(lab: Lab, node: str) -> Iterator[None]:
    """The node has no power. Afterwards it is switched on, unless somebody has."""
    ground = LabGround(lab.folder)
    ground.cut_power(node)
    try:
        yield
    finally:
        if not ground.has_power(node):
            ground.press_power(node)


def fenced_since(lab: Lab, begun: datetime) -> list[str]:
    """The nodes whose power was cut or given back since then."""
    # A node that has just come back learns from the others what was before.
    return [event.target for event in lab.status().fence_events if datetime.fromisoformat(event.when) > begun]


def wait_for_votes(lab: Lab, *expected: str) -> None:
    """Until all nodes say one of these."""
    wait_for(lambda: votes(lab), lambda found: found <= set(expected), what=f"the votes {expected}", timeout=60)


def test_the_device_has_a_vote_and_is_asked_over_tls(lab: Lab) -> None:
    assert votes(lab) == {"3 Quorate Qdevice"}
    told = " ".join(lab.ssh(DEVICE)(["corosync-qnetd-tool", "-l", "-v"]).stdout.split())
    assert told.count("TLS active: Yes (client certificate verified)") == len(lab.nodes), told


def test_a_second_run_has_nothing_to_do(lab: Lab) -> None:
    assert succeed("site").changed == set()
    assert play("site", "--check").changed == set()


@pytest.mark.parametrize("survivor", [0, 1])
def test_the_survivor_of_a_power_cut_goes_on(lab: Lab, survivor: int) -> None:
    nodes = list(lab.nodes)
    left, victim = nodes[survivor], nodes[1 - survivor]
    begun = time.monotonic()
    with power_cut(lab, victim):
        found = wait_for(
            lambda: quorum(lab, left),
            lambda seen: (seen.get("Quorate"), seen.get("Total votes")) == ("Yes", "2"),
            what=f"{left}'s quorum without {victim}",
            timeout=SETTLED,
            interval=0.2,
        )
    print(f"{left} goes on after {time.monotonic() - begun:.1f} s: {found['Flags']}")
    lab.wait_for_members(180)
    wait_for_votes(lab, "3 Quorate Qdevice")


def test_nodes_go_on_without_their_device(lab: Lab) -> None:
    begun = datetime.now(UTC)
    with power_cut(lab, DEVICE):
        # They still have two of three votes, and a run says what is missing before it touches anything.
        wait_for_votes(lab, "2 Quorate Qdevice")
        outcome = play("site")
        assert outcome.rc != 0
        assert f"{DEVICE} in group qnetd does not answer" in outcome.told
        assert outcome.changed == set()
        time.sleep(LONG_ENOUGH)
        assert {quorum(lab, node)["Quorate"] for node in lab.nodes} == {"Yes"}
    wait_for_votes(lab, "3 Quorate Qdevice")
    assert fenced_since(lab, begun) == []


def test_a_cluster_can_do_without_a_device_again(lab: Lab) -> None:
    # For the tests after this one, too: the device is gone.
    os.environ["DROVER_LAB_ELSEWHERE"] = f"{DEVICE}=spare"
    begun = datetime.now(UTC)
    assert "corosync.conf" in str(succeed("site", "--check", "--diff").output)
    succeed("site")
    # That there was a device corosync forgets when it is started anew; it has no vote.
    wait_for_votes(lab, "2 2Node Quorate WaitForAll", "2 2Node Quorate WaitForAll Qdevice")
    for node in lab.nodes:
        assert lab.ssh(node)(["ls", "-A", "/etc/corosync/qdevice/net"], ok=None).stdout.split() == []
        assert lab.ssh(node)(["systemctl", "is-active", "corosync-qdevice"], ok=None).stdout.strip() == "inactive"
    assert succeed("site").changed == set()
    assert fenced_since(lab, begun) == []
