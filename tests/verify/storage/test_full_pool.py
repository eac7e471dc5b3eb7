# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM whose storage is full waits for room, and loses nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import answers

from ..lab import Lab, address
from ..plays import succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
VMS = "/srv/drover/local/vms"


def said(where: str, port: int, words: str = "") -> str:
    """A line of the tiny VM's own services: its boot on 8, its load on 9."""
    with socket.create_connection((where, port), timeout=5) as stream:
        if words:
            stream.sendall(f"{words}\n".encode())
        return stream.makefile().readline().strip()


@pytest.fixture(scope="module")
def brim(lab: Lab, declared: Declared) -> Iterator[str]:
    """The address of a VM whose disk promises more than its storage on the first node has."""
    network, _, _last = address(declared["web"]).rpartition(".")
    guest = {
        **declared["game"],
        "disks": [{"size": "128MiB", "pool": "local"}],
        "nics": [{"bridge": "br0", "address": f"{network}.153/24"}],
        "placement": {"prefer": ["node1"]},
    }
    node = lab.ssh("node1")
    node(["mkdir", "-p", VMS])
    node(["mount", "-t", "tmpfs", "-o", "size=80m,mode=0711", "small", VMS])
    try:
        succeed("guests", guests={**declared, "brim": guest})
        yield f"{network}.153"
    finally:
        succeed("guests", guests={**declared, "brim": {"state": "absent", "remove_disks": True}})
        node(["umount", VMS])


def test_it_is_paused_and_told_of_and_goes_on_when_there_is_room(lab: Lab, brim: str) -> None:
    wait_for(lambda: answers(brim, 7, greeting=False), bool, what="the VM's start", timeout=60)
    boot = said(brim, 8)
    said(brim, 9, "write 100")
    seen = wait_for(
        lambda: lab.ask(lambda cluster: cluster.status()),
        lambda status: "brim" in status.notes,
        what="the pause",
        timeout=60,
    )
    assert seen.notes["brim"] == f"paused until there is room on {VMS}/brim"
    output = succeed("status").output
    assert f"guest brim is paused until there is room on {VMS}/brim" in output

    time.sleep(15)  # a monitor or two, each of which would have failed
    assert lab.ask(lambda cluster: cluster.status()).failures_of("brim") == ()
    assert lab.ssh("node1")(["virsh", "domstate", "brim"]).stdout.strip() == "paused"

    lab.ssh("node1")(["mount", "-o", "remount,size=200m", VMS])
    wait_for(lambda: lab.ask(lambda cluster: cluster.status()).notes, lambda notes: not notes, what="room", timeout=60)
    assert said(brim, 8) == boot
