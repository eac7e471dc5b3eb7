# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's disks go from a node's own directory to Ceph and back, while it runs, and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..lab import Lab, address, wait_until_answering
from ..ledger import Ledger
from ..plays import play, succeed
from .asking import grown, rbd

pytestmark = pytest.mark.stage("ceph")

NAME = "roamer"
LOCAL = f"/srv/drover/local/vms/{NAME}"
#: Of all of the story.
LEDGER = Ledger()


@pytest.fixture(scope="module", autouse=True)
def _undone(lab: Lab) -> Iterator[None]:
    yield
    succeed("guests", guests={**grown(), NAME: {"state": "absent", "remove_disks": True}})
    assert (images(lab), files(lab)) == ([], [])


def roaming(pool: str, **more: Any) -> dict[str, Any]:
    guests = grown()
    network, _, _last = address(guests["game"]).rpartition(".")
    guests[NAME] = {
        "kind": "vm",
        "image": "tiny",
        "memory": "192MiB",
        "disks": [{"size": "64MiB", "pool": pool}, {"size": "128MiB", "pool": pool}],
        "nics": [{"bridge": "br0", "address": f"{network}.154/24"}],
        "placement": {"prefer": ["node1"]},
        **more,
    }
    return guests


def images(lab: Lab) -> list[str]:
    return sorted(name for name in rbd(lab, "ls", "disks") if name.startswith(f"{NAME}."))


def files(lab: Lab) -> list[str]:
    return sorted(lab.ssh("node1")(["sh", "-c", f"ls {LOCAL} 2> /dev/null || true"]).stdout.split())


def in_ceph(lab: Lab) -> None:
    assert images(lab) == [f"{NAME}.seed", f"{NAME}.vda", f"{NAME}.vdb"]
    assert files(lab) == []


def test_disks_go_to_ceph_while_their_vm_runs(lab: Lab) -> None:
    local, there = roaming("local"), roaming("disks")
    succeed("guests", guests=local)
    wait_until_answering(local[NAME], timeout=60)
    assert lab.where(NAME) == "node1"
    refused = play("guests", guests=there)
    assert refused.rc != 0 and f"-e guests_move_disks={NAME} moves it" in refused.failures[0]
    with LEDGER.undisturbed(there[NAME]):
        succeed("guests", guests=there, guests_move_disks=NAME)
    in_ceph(lab)
    assert succeed("guests", guests=there).changed == set()


def test_it_may_run_on_any_node_then(lab: Lab) -> None:
    guest = roaming("disks")[NAME]
    with LEDGER.undisturbed(guest):
        succeed("migrate", guest=NAME, to="node2")
        assert lab.where(NAME) == "node2"
        succeed("migrate", guest=NAME, to="node1")
    in_ceph(lab)


def test_disks_come_back_while_their_vm_runs(lab: Lab) -> None:
    local = roaming("local")
    with LEDGER.undisturbed(local[NAME]):
        succeed("guests", guests=local, guests_move_disks=NAME)
    assert images(lab) == []
    assert files(lab) == ["seed.img", "vda.qcow2", "vdb.qcow2"]
    assert succeed("guests", guests=local).changed == set()
