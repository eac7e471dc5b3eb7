# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests whose disks and root file systems are in Ceph: how they are made, moved, grown, and kept from each other."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ..lab import Lab, wait_until_answering
from ..ledger import Ledger
from ..plays import succeed, variable
from .asking import blocked, ceph, grown, rbd

pytestmark = pytest.mark.stage("ceph")

Declared = dict[str, dict[str, Any]]


def holders(lab: Lab, image: str) -> list[str]:
    return [lock["locker"] for lock in rbd(lab, "lock", "ls", image)]


def test_guests_are_on_ceph_and_answer(lab: Lab, declared: Declared) -> None:
    assert {"game.vda", "game.seed"} <= set(rbd(lab, "ls", "disks"))
    for guest in declared.values():
        wait_until_answering(guest, timeout=60)
    assert lab.ssh("node1")(["test", "-d", "/srv/drover/roots/containers/web/rootfs/etc"], ok=None).rc == 0


def test_a_move_hands_the_lock_over_and_blocks_nobody(lab: Lab, declared: Declared) -> None:
    """Only who writes asks for the lock: so the guest keeps a ledger meanwhile."""
    out, ledger = blocked(lab), Ledger()
    with ledger.undisturbed(declared["game"]):
        [before] = wait_for(
            lambda: holders(lab, "disks/game.vda"), lambda seen: len(seen) == 1, what="the lock's owner", timeout=30
        )
        succeed("migrate", guest="game")
        [after] = wait_for(
            lambda: holders(lab, "disks/game.vda"),
            lambda seen: len(seen) == 1 and seen != [before],
            what="the lock's new owner",
            timeout=30,
        )
    assert blocked(lab) == out, (before, after)


def test_a_container_moves(lab: Lab, declared: Declared) -> None:
    source = lab.where("web")
    succeed("migrate", guest="web")
    assert lab.where("web") != source
    wait_until_answering(declared["web"], timeout=30)


def test_the_size_of_a_root_file_system_is_kept(lab: Lab) -> None:
    guests = {**variable("guests"), "web": grown()["web"]}
    succeed("guests", guests=guests, guests_allow_restart="web")
    folder = "/srv/drover/roots/containers/web/rootfs"
    said = lab.ssh("node1")(["getfattr", "--only-values", "-n", "ceph.quota.max_bytes", folder]).stdout
    assert int(said) == 1 << 30


def test_a_disk_grows_while_its_vm_runs(lab: Lab) -> None:
    guests = grown()
    guests["game"]["disks"] = [{"size": "64MiB"}]
    succeed("guests", guests=guests, guests_allow_restart="game")
    succeed("guests", guests=grown())
    wait_for(
        lambda: rbd(lab, "info", "disks/game.vda")["size"], lambda size: size == 192 << 20, what="the size", timeout=30
    )


def test_whose_lock_was_taken_writes_nothing_any_more(lab: Lab) -> None:
    """A node that only seemed dead: its QEMU stands still while another takes its disk, and then goes on."""
    node = lab.where("game")
    other = next(name for name in lab.nodes if name != node)
    script = """
import json, subprocess, sys, time
sys.path.insert(0, "/usr/lib/drover/current")
from drover.ceph.rbd import Rbd
print(json.dumps(Rbd().break_locks(["rbd:disks/zombie"])))
"""
    # The same as QEMU does, by the same library: open, take the lock, write.
    zombie = """
import rados, rbd, sys, time
cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.drover"); cluster.connect()
context = cluster.open_ioctx("disks")
try: rbd.RBD().create(context, "zombie", 1 << 22)
except rbd.ImageExists: pass
image = rbd.Image(context, "zombie")
image.write(b"old" * 100, 0); image.flush(); print("holds", flush=True)
sys.stdin.readline()
try: image.write(b"OLD" * 100, 0); image.flush(); print("wrote", flush=True)
except Exception as error: print("refused", type(error).__name__, flush=True)
"""
    argv = [*lab.ssh_argv(node), f"python3 -c '{zombie.replace(chr(39), chr(34))}'"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdin and held.stdout
        assert held.stdout.readline().strip() == "holds"
        begun = time.monotonic()
        said = json.loads(lab.ssh(other)(["python3", "-c", script], timeout=60).stdout)
        assert len(said) == 1, said
        assert time.monotonic() - begun < 20
        held.stdin.write("\n")
        held.stdin.flush()
        assert held.stdout.readline().startswith("refused")
        held.kill()


def test_maintenance_tells_ceph_of_exactly_this_node(lab: Lab) -> None:
    succeed("maintenance", node="node2", state="on")
    assert ceph(lab, "osd", "dump")["crush_node_flags"] == {"node2": ["noout"]}
    succeed("maintenance", node="node2", state="off")
    assert ceph(lab, "osd", "dump")["crush_node_flags"] == {}


def test_disks_go_with_their_guest(lab: Lab) -> None:
    guests = {"brief": {"kind": "vm", "image": "tiny", "memory": "192MiB", "disks": [{"size": "64MiB"}], "nics": []}}
    succeed("guests", guests=guests)
    assert "brief.vda" in rbd(lab, "ls", "disks")
    succeed("guests", guests={"brief": {"state": "absent", "remove_disks": True}})
    assert [name for name in rbd(lab, "ls", "disks") if name.startswith("brief.")] == []
