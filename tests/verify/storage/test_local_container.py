# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container on storage of one node's own moves with all that is in it, whoever is killed meanwhile, or stays.

The tests are one story, in this order; the last one undoes all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.tests.clients import OutageProbe
from ansible_collections.cspp.drover.tests.witness import Witness

from ..lab import Lab, address, wait_until_answering
from ..plays import killed_at, play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]

NAME = "keeper"
POOL = "/srv/drover/local"
ROOT = f"{POOL}/containers/{NAME}/rootfs"
#: Seconds that nobody could reach it: it was not stopped for all of its copy. `make bench-migration` says more.
AWAY = 15.0

#: Makes one of everything that a copy can lose, below the folder it is given.
MAKE = """
import os, socket, struct, sys
os.makedirs(sys.argv[1]); os.chdir(sys.argv[1])
base = 10000000
for name in ("plain", "#hash", "-dash", " space", "new\\nline", b"latin-\\xe9", "owned", "setuid", "capable", "listed"):
    with open(name, "wb") as file:
        file.write(os.fsencode(name) * 1000)
os.chown("owned", base + 33, base + 65534)
os.chown("setuid", base, base); os.chmod("setuid", 0o6755)
# CAP_NET_RAW for the container's root; a user's attribute; an access list with another user in it.
os.setxattr("capable", "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, base))
os.setxattr("listed", "user.colour", b"green")
entries = [(1, 6, -1), (2, 7, base + 1), (4, 4, -1), (16, 7, -1), (32, 0, -1)]
access = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
os.setxattr("listed", "system.posix_acl_access", access)
with open("sparse", "wb") as file:
    file.truncate(1 << 26); file.seek(1 << 25); file.write(b"in the middle")
os.mkdir("folder", 0o2775); os.chown("folder", base, base + 50)
os.link("plain", "folder/linked"); os.link("owned", "also owned")
os.symlink("/nowhere", "dangling"); os.symlink("plain", "link"); os.lchown("link", base + 7, base + 7)
os.mkfifo("fifo", 0o620); os.mknod("null", 0o20666, os.makedev(1, 3)); os.mknod("disk", 0o60640, os.makedev(7, 200))
socket.socket(socket.AF_UNIX).bind("socket")
os.utime("plain", ns=(10**18, 10**18 + 123456789)); os.utime("folder", ns=(10**18, 10**18 + 1))
"""
#: Prints everything there is to know of a tree.
TELL = """
import hashlib, json, os, stat, sys
os.chdir(sys.argv[1])
found, groups = {}, {}
for folder, folders, files in os.walk(".", onerror=print):
    for name in [*folders, *files]:
        path = os.path.join(folder, name)
        seen = os.lstat(path)
        kind = stat.S_IFMT(seen.st_mode)
        groups.setdefault(seen.st_ino, []).append(path)
        entry = [seen.st_mode, seen.st_uid, seen.st_gid, seen.st_nlink, seen.st_rdev, seen.st_mtime_ns]
        entry += [{key: os.getxattr(path, key, follow_symlinks=False).hex()
            for key in sorted(os.listxattr(path, follow_symlinks=False))}]
        if kind == stat.S_IFLNK:
            entry.append(os.fsencode(os.readlink(path)).hex())
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            entry += [seen.st_size, digest, seen.st_blocks * 512 < seen.st_size]
        found[os.fsencode(path).hex()] = entry
links = sorted(sorted(os.fsencode(path).hex() for path in paths) for paths in groups.values() if len(paths) > 1)
print(json.dumps([found, links]))
"""


#: What a container's root makes of its files to be in the way, and goes on with for as long as it runs.
HOSTILE = """
import ctypes, os
os.makedirs("/srv/hostile/zz"); os.chdir("/srv/hostile")
for level in range(30):
    os.mkdir("d" * 250); os.chdir("d" * 250)
with open("last", "w") as file:
    file.write("reached")
os.chdir("/srv/hostile")
path = "/".join(["p" * 200] * 18)
os.makedirs(path)
with open(path + "/" + "f" * 200, "w") as file:
    file.write("long")
with open("giant", "wb") as file:
    file.truncate(1 << 40); file.seek(1 << 39); file.write(b"in the middle")
os.symlink("/etc", "out")
with open("zz/file", "w") as file:
    file.write("mine")
with open("cut", "wb") as file:
    file.write(bytes(1 << 26))
libc, turn = ctypes.CDLL(None), 0
open("ready", "w").close()
while True:
    libc.renameat2(-100, b"zz", -100, b"out", 2)
    turn += 1
    os.truncate("cut", (1 << 26) if turn % 2 else 1)
    name = f"come{turn % 50}"
    if os.path.isdir(name) and not os.path.islink(name):
        os.rmdir(name); os.symlink("/", name)
    elif os.path.lexists(name):
        os.unlink(name)
    else:
        os.mkdir(name)
"""
#: Prints what has become of it.
FOUND = """
import json, os, sys
os.chdir(sys.argv[1] + "/srv/hostile")
look = lambda name: os.readlink(name) if os.path.islink(name) else os.listdir(name)
pair = sorted(([os.path.islink(name), look(name)] for name in ("zz", "out")), key=str)
with open("giant", "rb") as file:
    file.seek(1 << 39); middle = file.read(13).decode()
seen = os.stat("giant")
with open("/".join(["p" * 200] * 18) + "/" + "f" * 200) as file:
    long = file.read()
for level in range(30):
    os.chdir("d" * 250)
with open("last") as file:
    print(json.dumps([pair, middle, seen.st_size, seen.st_blocks < 10000, long, file.read()]))
"""


@pytest.fixture(scope="module")
def guests(lab: Lab, declared: Declared) -> Iterator[Declared]:
    """The declaration with a container on local storage, whose copy is slow enough to be disturbed."""
    network, _, _last = address(declared["web"]).rpartition(".")
    keeper = {
        "kind": "container",
        "memory": "128MiB",
        "rootfs": {"image": "debian-13", "pool": "local"},
        "nics": [{"bridge": "br0", "address": f"{network}.154/24"}],
        "placement": {"prefer": ["node1"]},
        "migration": {"bandwidth": "96MiB"},
    }
    yield {**declared, NAME: keeper}


def tree(lab: Lab, node: str, root: str) -> Any:
    return json.loads(lab.ssh(node)(["python3", "-c", TELL, root], timeout=120).stdout)


def holders(lab: Lab) -> set[str]:
    """The nodes with anything of the container on their storage."""
    return {node for node in lab.nodes if lab.ssh(node)(["test", "-e", f"{POOL}/containers/{NAME}"], ok=None).rc == 0}


def settled(lab: Lab, node: str) -> None:
    """The container runs there, once, and nowhere is anything left of a move."""
    assert lab.where(NAME) == node
    assert lab.instances(NAME) == {NAME: 1}
    wait_for(lambda: holders(lab), lambda found: found == {node}, what="the end of the old copy", timeout=90)
    assert lab.ssh(node)(["ls", f"{POOL}/containers/{NAME}"]).stdout.split() == ["rootfs"]
    assert lab.status().failures == ()


def copying(lab: Lab, node: str) -> bool:
    """Whether the other node has got something by now."""
    try:
        return lab.ssh(node)(["test", "-e", f"{POOL}/containers/{NAME}/incoming/usr"], ok=None).rc == 0
    except CommandError:
        return False


def test_it_starts_where_its_root_file_system_was_made(lab: Lab, guests: Declared) -> None:
    predicted = succeed("guests", "--check", guests=guests)
    done = succeed("guests", guests=guests)
    assert done.changed == predicted.changed
    assert succeed("guests", guests=guests).changed == set()
    wait_until_answering(guests[NAME], timeout=60)
    settled(lab, "node1")


def test_it_moves_with_everything_and_back(lab: Lab, guests: Declared) -> None:
    home, odd = lab.ssh("node1"), f"{ROOT}/srv/odd"
    home(["python3", "-c", MAKE, odd])
    # What is written until it stops has to be there afterwards.
    count = "i=0; while :; do i=$((i+1)); echo $i >> /srv/count; done"
    attach = ["lxc-attach", "-P", "/run/drover/lxc", "-n", NAME, "--"]
    home([*attach, "systemd-run", "--quiet", "sh", "-c", count])
    before = tree(lab, "node1", odd)
    probe = OutageProbe(address(guests[NAME]), 22, greeting=True)
    probe.start()
    succeed("migrate", guest=NAME, to="node2")
    written = [int(number) for number in lab.ssh("node2")(["cat", f"{ROOT}/srv/count"]).stdout.split()]
    outage = probe.stop()
    assert outage.over
    assert outage.length < AWAY
    settled(lab, "node2")
    assert tree(lab, "node2", odd) == before
    assert written == list(range(1, len(written) + 1))
    assert len(written) > 1000

    lab.ssh("node2")(["rm", "-r", f"{odd}/folder"])
    after = tree(lab, "node2", odd)
    succeed("migrate", guest=NAME, to="node1")
    settled(lab, "node1")
    assert tree(lab, "node1", odd) == after


@pytest.mark.whole
def test_it_moves_while_thousands_of_its_files_come_and_go(lab: Lab, guests: Declared) -> None:
    home = lab.ssh("node1")
    # Of the folders the last ones are there; the others have gone while somebody may have been reading them.
    fill = "mkdir $n && (cd $n && seq 3000 | xargs touch) && echo $n > last; rm -rf $((n-2))"
    churn = f"mkdir /srv/churn; cd /srv/churn; n=0; while :; do n=$((n+1)); {fill}; done"
    attach = ["lxc-attach", "-P", "/run/drover/lxc", "-n", NAME, "--"]
    home([*attach, "systemd-run", "--quiet", "sh", "-c", churn])
    wait_for(
        lambda: home(["cat", f"{ROOT}/srv/churn/last"], ok=None).stdout, bool, what="the first of its files", timeout=60
    )
    succeed("migrate", guest=NAME, to="node2")
    settled(lab, "node2")
    there = lab.ssh("node2")
    last = int(there(["cat", f"{ROOT}/srv/churn/last"]).stdout)
    assert last > 2
    left = {int(name) for name in there(["ls", f"{ROOT}/srv/churn"]).stdout.split() if name != "last"}
    # It was stopped anywhere between making one and removing the one before the last.
    assert left <= {last - 2, last - 1, last, last + 1}
    there(["rm", "-r", f"{ROOT}/srv/churn"])
    succeed("migrate", guest=NAME, to="node1")
    settled(lab, "node1")
    assert home(["test", "-e", f"{ROOT}/srv/churn"], ok=None).rc != 0


def test_nothing_that_its_root_makes_of_its_files_keeps_it_from_moving(lab: Lab, guests: Declared) -> None:
    home = lab.ssh("node1")
    attach = ["lxc-attach", "-P", "/run/drover/lxc", "-n", NAME, "--"]
    home([*attach, "tee", "/srv/hostile.py"], stdin=HOSTILE)
    home([*attach, "systemd-run", "--quiet", "python3", "/srv/hostile.py"])
    ready = ["test", "-e", f"{ROOT}/srv/hostile/ready"]
    wait_for(lambda: home(ready, ok=None).rc, lambda rc: rc == 0, what="the worst", timeout=30)
    pair = [[False, ["file"]], [True, "/etc"]]
    # On the way back it comes upon an old copy of the same.
    for node in ("node2", "node1"):
        succeed("migrate", guest=NAME, to=node)
        settled(lab, node)
        found = json.loads(lab.ssh(node)(["python3", "-c", FOUND, ROOT]).stdout)
        assert found == [pair, "in the middle", 1 << 40, True, "long", "reached"]
    home(["rm", "-r", f"{ROOT}/srv/hostile"])


@pytest.mark.whole
def test_a_killed_controller_changes_nothing(lab: Lab, guests: Declared) -> None:
    killed_at("migrate", "Move the guest", lambda: copying(lab, "node2"), guest=NAME, to="node2")
    succeed("migrate", guest=NAME, to="node2")
    settled(lab, "node2")


@pytest.mark.whole
def test_a_copy_goes_on_when_the_other_nodes_service_was_killed(lab: Lab, guests: Declared) -> None:
    killed_at("migrate", "Move the guest", lambda: copying(lab, "node3"), guest=NAME, to="node3")
    lab.ssh("node3")(["systemctl", "kill", "--signal=KILL", "drover-peer.service"])
    succeed("migrate", guest=NAME, to="node3")
    settled(lab, "node3")


@contextmanager
def small(lab: Lab, node: str) -> Iterator[None]:
    """The node's storage has little room."""
    on_node = lab.ssh(node)
    mark = on_node(["cat", f"{POOL}/.drover-pool"]).stdout
    on_node(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", POOL])
    try:
        on_node(["tee", f"{POOL}/.drover-pool"], stdin=mark)
        yield
    finally:
        on_node(["umount", "--lazy", POOL])


def test_it_stays_when_the_other_node_has_no_room(lab: Lab, guests: Declared) -> None:
    home = lab.where(NAME)
    with small(lab, "node2"):
        refused = play("migrate", guest=NAME, to="node2")
        failed = play("migrate", guest=NAME, to="node2", ignore="storage_full")
    assert (refused.rc, failed.rc) != (0, 0)
    assert "storage_full" in str(refused.failures)
    assert "node2 has no room for it" in str(failed.failures)
    settled(lab, home)
    wait_until_answering(guests[NAME], timeout=5)


def test_it_starts_nowhere_else_and_waits_for_its_node(lab: Lab, guests: Declared) -> None:
    forced = lab.ssh("node2")(["crm_resource", "--resource", NAME, "--force-start"], ok=None)
    assert forced.rc != 0
    home = lab.where(NAME)
    assert f"is on {home} (local storage)" in forced.stdout + forced.stderr
    witness = Witness([NAME], lab.folder.resolve())
    witness.start()
    lab.power(home, "off")
    wait_for(lambda: lab.instances(NAME), lambda found: found == {NAME: 0}, what="the power cut", timeout=10)
    lab.wait_for_members(120)
    wait_until_answering(guests[NAME], timeout=60)
    # That others refused to start it does not keep it from moving there.
    wait_for(lambda: lab.status().failures, lambda left: not left, what="order", timeout=30)
    settled(lab, home)
    assert witness.stop() == {NAME: 1}


def test_nothing_is_left_of_it(lab: Lab, guests: Declared, declared: Declared) -> None:
    gone = {**declared, NAME: {"state": "absent", "remove_disks": True}}
    succeed("guests", guests=gone)
    assert holders(lab) == set()
    assert not [name for name in lab.configuration().constraints if name.endswith(f"-{NAME}")]
    assert lab.instances(NAME) == {NAME: 0}
