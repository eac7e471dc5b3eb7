# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failures on one node keep all nodes from telling the cluster; a node that is no member keeps nobody from it.

The tests are one story, in this order; the last one undoes all.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
DECLARE = "Declare the guests to the cluster"
OWN = "/srv/drover/local/containers"


@pytest.fixture(scope="module")
def guests(declared: Declared) -> Iterator[Declared]:
    """The declaration, changed from test to test."""
    yield copy.deepcopy(declared)


@pytest.fixture
def node1_without_pacemaker(lab: Lab) -> Iterator[str]:
    """The first node answers, but is no member; its guest has gone to another, and comes back in the end."""
    lab.ssh("node1")(["systemctl", "stop", "pacemaker"], timeout=120)
    yield "node1"
    lab.ssh("node1")(["systemctl", "start", "pacemaker"], timeout=60)
    lab.wait_for_members(60)
    succeed("migrate", guest="game", to="node1")


def test_a_disk_that_would_shrink_keeps_every_node_from_doing_anything(lab: Lab, guests: Declared) -> None:
    # More vcpus than any node has processors: the cluster places it all the same.
    guests["half"] = {"kind": "vm", "image": "tiny", "vcpus": 3, "memory": "192MiB", "disks": [{"size": "64MiB"}]}
    succeed("guests", guests=guests)
    before = lab.version()

    wrong = copy.deepcopy(guests)
    wrong["half"]["disks"] = [{"size": "48MiB"}, {"size": "32MiB"}]
    wrong["alone"] = {
        "kind": "container",
        "memory": "128MiB",
        "rootfs": {"image": "debian-13", "pool": "local"},
        "placement": {"prefer": ["node2"]},
    }
    outcome = play("guests", guests=wrong)
    assert outcome.rc != 0
    [message] = outcome.failures
    assert "No guest was touched. guests.half.disks[0].size: 48MiB is less than the 64MiB the disk has" in message
    assert outcome.changed == set()
    assert lab.version() == before
    assert lab.ssh("node2")(["test", "-e", f"{OWN}/alone"], ok=None).rc == 1


def test_the_cluster_is_not_told_of_a_guest_whose_files_could_not_be_made(lab: Lab, guests: Declared) -> None:
    before = lab.version()
    guests["alone"] = {
        "kind": "container",
        "memory": "128MiB",
        "rootfs": {"image": "debian-13", "pool": "local"},
        "placement": {"prefer": ["node2"]},
    }
    home = lab.ssh("node2")
    home(["mkdir", "-p", OWN])
    # No folder can be made in the place of a file.
    home(["touch", f"{OWN}/alone"])
    try:
        outcome = play("guests", guests=guests)
    finally:
        home(["rm", f"{OWN}/alone"])
    assert outcome.rc != 0
    assert f"{OWN}/alone" in outcome.failures[0]
    assert lab.version() == before

    outcome = succeed("guests", guests=guests)
    assert lab.where("alone") == "node2"
    assert "Worth knowing: alone is on storage of one node" in outcome.told


def test_a_missing_disk_of_a_known_guest_is_not_made_anew(lab: Lab, guests: Declared) -> None:
    before, folder = lab.version(), "/srv/drover/shared/vms/half"
    lab.ssh("node1")(["mv", f"{folder}/vda.qcow2", f"{folder}/away"])
    try:
        outcome = play("guests", guests=guests)
        assert lab.ssh("node1")(["ls", folder]).stdout.split() == ["away", "seed.img"]
    finally:
        lab.ssh("node1")(["mv", f"{folder}/away", f"{folder}/vda.qcow2"])
    assert outcome.rc != 0
    assert f"{folder}/vda.qcow2 is not there, though the cluster knows half by it" in outcome.failures[0]
    assert lab.version() == before


def test_a_container_does_not_begin_anew_in_another_pool(lab: Lab, guests: Declared) -> None:
    before = lab.version()
    moved = copy.deepcopy(guests)
    moved["alone"]["rootfs"]["pool"] = "shared"
    outcome = play("guests", guests=moved)
    assert outcome.rc != 0
    assert f"guests.alone.rootfs.pool: its data is at {OWN}/alone/rootfs" in outcome.failures[0]
    assert outcome.changed == set()
    assert lab.version() == before


def test_any_member_serves(lab: Lab, guests: Declared, node1_without_pacemaker: str) -> None:
    wait_for(lambda: lab.where("game"), lambda node: node != "node1", what="the guest's move off node1", timeout=60)
    guests["alone"]["memory"] = "160MiB"
    outcome = succeed("guests", guests=guests)
    assert [host for host, task in outcome.results if task == DECLARE] == ["node2"]
    assert lab.configuration().guests()["alone"].utilization["memory"] == "160"
    # A wish for a node that the play leaves out is none for something that is no node.
    assert succeed("guests", "--limit", "'!node1'", guests=guests).changed == set()


def test_everything_is_undone(lab: Lab, declared: Declared) -> None:
    gone = {name: {"state": "absent", "remove_disks": True} for name in ("half", "alone")}
    succeed("guests", guests={**declared, **gone})
    assert set(lab.configuration().guests()) == set(declared)
    assert lab.ssh("node2")(["test", "-e", f"{OWN}/alone"], ok=None).rc == 1
