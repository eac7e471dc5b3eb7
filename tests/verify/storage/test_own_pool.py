# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM whose storage is full, or away, waits for it and loses nothing.

The tests are one story, in this order.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import answers

from ..lab import Lab, address
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
POOL = "/srv/drover/local"
#: The disk that the first node has its pool on in this story, small and apart from the root's.
DISK = "/srv/own"


def said(where: str, port: int, words: str = "") -> str:
    """A line of the tiny VM's own services: its boot on 8, its load on 9."""
    with socket.create_connection((where, port), timeout=5) as stream:
        if words:
            stream.sendall(f"{words}\n".encode())
        return stream.makefile().readline().strip()


def status(lab: Lab) -> ClusterStatus:
    found: ClusterStatus = lab.ask(lambda cluster: cluster.status())
    return found


@pytest.fixture(scope="module")
def guests(lab: Lab, declared: Declared) -> Declared:
    """The declaration with a VM whose disk promises more than its storage has."""
    network, _, _last = address(declared["web"]).rpartition(".")
    brim = {
        **declared["game"],
        "disks": [{"size": "128MiB", "pool": "local"}],
        "nics": [{"bridge": "br0", "address": f"{network}.153/24"}],
        "placement": {"prefer": ["node1"]},
    }
    return {**declared, "brim": brim}


@pytest.fixture(scope="module")
def brim(lab: Lab, guests: Declared) -> Iterator[str]:
    """The VM's address. Its pool is the one that the node has had, on another disk."""
    node = lab.ssh("node1")
    node(["mkdir", "-p", DISK])
    node(["mount", "-t", "tmpfs", "-o", "size=80m,mode=0711", "own", DISK])
    node(["cp", "-a", f"{POOL}/.drover-pool", DISK])
    node(["mount", "--bind", DISK, POOL])
    try:
        succeed("guests", guests=guests)
        yield address(guests["brim"])
    finally:
        succeed("guests", guests={**guests, "brim": {"state": "absent", "remove_disks": True}})
        node(["umount", "-l", POOL])
        node(["umount", "-l", DISK])


def test_on_a_full_pool_it_is_paused_and_told_of_and_goes_on_when_there_is_room(lab: Lab, brim: str) -> None:
    wait_for(lambda: answers(brim, 7, greeting=False), bool, what="the VM's start", timeout=60)
    boot = said(brim, 8)
    said(brim, 9, "write 100")
    wait_for(lambda: status(lab).notes, lambda notes: "brim" in notes, what="the pause", timeout=60)
    assert f"guest brim is paused until there is room on {POOL}/vms/brim" in succeed("status").told

    time.sleep(15)  # a monitor or two, each of which would have failed
    assert status(lab).failures_of("brim") == ()
    assert lab.ssh("node1")(["virsh", "domstate", "brim"]).stdout.strip() == "paused"

    lab.ssh("node1")(["mount", "-o", "remount,size=200m", DISK])
    wait_for(lambda: status(lab).notes, lambda notes: not notes, what="room", timeout=60)
    assert said(brim, 8) == boot


def test_without_its_pool_it_waits_and_nothing_is_made_in_its_place(lab: Lab, guests: Declared, brim: str) -> None:
    node = lab.ssh("node1")
    before = node(["ls", "-A", DISK]).stdout
    node(["umount", "-l", POOL])
    left = node(["ls", "-A", POOL]).stdout
    node(["mv", f"{POOL}/.drover-pool", "/root/mark"])  # as it is below a mount point
    try:
        node(["virsh", "destroy", "brim"])
        reasons = wait_for(
            lambda: [failure.reason for failure in status(lab).failures_of("brim") if failure.node == "node1"],
            lambda found: any("waits for" in reason for reason in found),
            what="the VM's refusal",
            timeout=60,
        )
        assert f"brim waits for its storage: {POOL} is not mounted here" in reasons[-1]
        outcome = play("guests", guests=guests)
        assert outcome.rc != 0
        assert f"{POOL} is not mounted, or is empty" in outcome.failures[0]
        assert ".drover-pool" not in node(["ls", "-A", POOL]).stdout
    finally:
        node(["mv", "/root/mark", f"{POOL}/.drover-pool"])
        assert node(["ls", "-A", POOL]).stdout == left
        node(["mount", "--bind", DISK, POOL])
    wait_for(lambda: answers(brim, 7, greeting=False), bool, what="the VM's start", timeout=60)
    assert lab.where("brim") == "node1"
    assert node(["ls", "-A", DISK]).stdout == before
