# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's disks go to another pool while it runs and while it is down, whoever is killed meanwhile, and lose nothing.

The tests are one story, in this order, of one guest.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ..lab import Lab, address, wait_until_answering
from ..ledger import Ledger
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]

NAME = "roamer"
POOLS = {"shared": "/srv/drover/shared", "local": "/srv/drover/local"}
#: Half a GiB that takes QEMU a moment to copy.
FILL = ["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 512M"]
#: Waits until QEMU copies a disk, and kills whoever had it do so.
KILL = f"""
until virsh dumpxml {NAME} | grep -q '<mirror'; do sleep 0.02; done
pkill -KILL -f disk_moves
"""
#: Of all of the story.
LEDGER = Ledger()


@pytest.fixture(scope="module", autouse=True)
def _undone(lab: Lab, declared: Declared) -> Iterator[None]:
    """In the end the guest is gone, and all that it had in any pool on any node."""
    yield
    succeed("guests", guests={**declared, NAME: {"state": "absent", "remove_disks": True}})
    assert lab.instances(NAME) == {NAME: 0}
    assert [volumes(lab, pool, node) for pool in POOLS for node in lab.nodes] == [[]] * (2 * len(lab.nodes))


def roaming(declared: Declared, pool: str, **more: Any) -> Declared:
    network, _, _last = address(declared["game"]).rpartition(".")
    return {
        **declared,
        NAME: {
            "kind": "vm",
            "image": "tiny",
            "memory": "192MiB",
            "disks": [{"size": "64MiB", "pool": pool}, {"size": "512MiB", "pool": pool}],
            "nics": [{"bridge": "br0", "address": f"{network}.154/24"}],
            "placement": {"prefer": ["node1"]},
            **more,
        },
    }


def volumes(lab: Lab, pool: str, node: str = "node1") -> list[str]:
    found = lab.ssh(node)(["sh", "-c", f"ls {POOLS[pool]}/vms/{NAME} 2> /dev/null || true"]).stdout
    return found.split()


def settled(lab: Lab, pool: str) -> None:
    """The disks are in this pool, nothing is left in the other, and the cluster and QEMU say so."""
    [other] = POOLS.keys() - {pool}
    assert volumes(lab, pool) == ["seed.img", "vda.qcow2", "vdb.qcow2"]
    assert volumes(lab, other) == []
    primitive = lab.configuration().guests()[NAME]
    assert "drover-disks" not in primitive.meta
    sources = [disk["source"]["path"] for disk in json.loads(primitive.params["definition"])["disks"]]
    assert all(path.startswith(POOLS[pool]) for path in sources)
    assert f"drover-disks-{NAME}" not in lab.configuration().constraints
    if lab.status().resource(NAME).active:  # type: ignore[union-attr]
        shown = lab.ssh("node1")(["virsh", "domblklist", NAME]).stdout
        assert shown.count(POOLS[pool]) == 3 and POOLS[other] not in shown


def killed(lab: Lab, guests: Declared) -> None:
    """Have the move begun, and whoever carries it out killed while QEMU copies."""
    killer = threading.Thread(target=lambda: lab.ssh("node1")(["sh", "-c", KILL], ok=None, timeout=300))
    killer.start()
    outcome = play("guests", guests=guests, guests_move_disks=NAME)
    killer.join(timeout=10)
    assert outcome.rc != 0
    assert "is gone without a word" in outcome.failures[0]
    assert "drover-disks" in lab.configuration().guests()[NAME].meta


def test_a_running_vm_goes_on_with_its_disks_in_another_pool(lab: Lab, declared: Declared) -> None:
    succeed("guests", guests=roaming(declared, "shared", state="stopped"))
    lab.ssh("node1")([*FILL, f"{POOLS['shared']}/vms/{NAME}/vdb.qcow2"], timeout=120)
    here, there = roaming(declared, "shared"), roaming(declared, "local")
    succeed("guests", guests=here)
    wait_until_answering(here[NAME], timeout=60)
    assert lab.where(NAME) == "node1"

    refused = play("guests", guests=there)
    assert refused.rc != 0
    assert f"-e guests_move_disks={NAME} moves it" in refused.failures[0]
    foretold = succeed("guests", "--check", guests=there, guests_move_disks=NAME)
    assert f"{NAME}: vda goes from {POOLS['shared']}/vms/{NAME}/vda.qcow2" in foretold.told
    settled(lab, "shared")

    with LEDGER.undisturbed(there[NAME]):
        succeed("guests", guests=there, guests_move_disks=NAME)
    settled(lab, "local")
    assert "drover-data-roamer" in lab.configuration().constraints
    assert succeed("guests", guests=there).changed == set()
    told = succeed("journal", guest=NAME).told
    assert f"disk vda from {POOLS['shared']}" in told


@pytest.mark.whole
def test_what_a_killed_run_has_begun_is_carried_on(lab: Lab, declared: Declared) -> None:
    there = roaming(declared, "shared")
    with LEDGER.undisturbed(there[NAME]):
        killed(lab, there)
        blocked = play("migrate", guest=NAME)
        assert blocked.rc != 0 and "disks_moving" in " ".join(blocked.failures)
        succeed("guests", guests=there, guests_move_disks=NAME)
    settled(lab, "shared")
    assert succeed("guests", guests=there).changed == set()


@pytest.mark.whole
def test_what_a_killed_run_has_begun_is_taken_back(lab: Lab, declared: Declared) -> None:
    here = roaming(declared, "shared")
    with LEDGER.undisturbed(here[NAME]):
        killed(lab, roaming(declared, "local"))
        # Whatever had arrived by then goes back as well.
        succeed("guests", guests=here, guests_move_disks=NAME)
    settled(lab, "shared")


@pytest.mark.whole
def test_the_disks_of_a_vm_that_is_down_are_copied(lab: Lab, declared: Declared) -> None:
    down, up = (roaming(declared, "local", state=state) for state in ("stopped", "present"))
    succeed("guests", guests=roaming(declared, "shared", state="stopped"))
    succeed("guests", guests=down, guests_move_disks="all")
    settled(lab, "local")
    succeed("guests", guests=up)
    wait_until_answering(up[NAME], timeout=60)
    LEDGER.check(up[NAME])
    assert lab.instances(*up) == dict.fromkeys(up, 1)
