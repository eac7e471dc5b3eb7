# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container holds no more than it is declared to, whatever its root does; a size that nothing keeps is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from ..lab import Lab, address, init_of, wait_until_answering
from ..plays import play, succeed

pytestmark = pytest.mark.stage("changed")

Declared = dict[str, dict[str, Any]]
POOL, DISK, IMAGE = "/srv/drover/local", "/srv/counted", "/root/counted.img"

#: Takes a file of a node without loop devices of its own for a disk, and counts what is on it.
MOUNT = f"""
set -e
DEBIAN_FRONTEND=noninteractive apt-get -qq install btrfs-progs > /dev/null
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
rm -f {IMAGE}
truncate -s 900M {IMAGE}
mkfs.btrfs -q {IMAGE}
disk=$(losetup --find | cut -d" " -f1)
[ -e $disk ] || mknod $disk b 7 ${{disk#/dev/loop}}
losetup $disk {IMAGE}
mkdir -p {DISK}
mount $disk {DISK}
btrfs quota enable {DISK}
cp -a {POOL}/.drover-pool {DISK}
mount --bind {DISK} {POOL}
"""
UNMOUNT = f"""
umount -l {POOL}
disk=$(losetup --noheadings --output NAME --associated {IMAGE})
umount -l {DISK}
losetup --detach $disk
rm {IMAGE}
"""
#: Makes a subvolume, in which nothing would be counted.
EVADE = """
import fcntl, os, struct
fcntl.ioctl(os.open("/srv", os.O_RDONLY), 0x5000940e, bytearray(struct.pack("=q4088s", 0, b"beside")))
"""


@pytest.fixture(scope="module")
def guests(lab: Lab, declared: Declared) -> Iterator[Declared]:
    """The declaration with a container that may hold little, on the first node's pool, which is on btrfs meanwhile."""
    network, _, _last = address(declared["web"]).rpartition(".")
    slim = {
        **declared["web"],
        "rootfs": {"image": "debian-13", "pool": "local", "size": "400MiB"},
        "nics": [{"bridge": "br0", "address": f"{network}.153/24"}],
        "placement": {"prefer": ["node1"]},
    }
    lab.ssh("node1")(["sh", "-c", MOUNT], timeout=120)
    try:
        yield {**declared, "slim": slim}
    finally:
        succeed("guests", guests={**declared, "slim": {"state": "absent", "remove_disks": True}})
        lab.ssh("node1")(["sh", "-c", UNMOUNT])


def test_its_root_holds_no_more_than_declared(lab: Lab, guests: Declared) -> None:
    succeed("guests", guests=guests)
    wait_until_answering(guests["slim"], timeout=60)
    before = init_of(lab, "slim")

    def within(*argv: str) -> tuple[int, str]:
        attach = ["lxc-attach", "-P", "/run/drover/lxc", "-n", "slim", "--"]
        result = lab.ssh("node1")([*attach, *argv], ok=None, timeout=120)
        return result.rc, result.stderr

    fill = ("dd", "if=/dev/zero", "of=/srv/fill", "bs=1M", "count=350", "conv=fsync")
    rc, words = within(*fill)
    assert rc == 1
    assert "Disk quota exceeded" in words
    within("truncate", "-s", "0", "/srv/fill")
    rc, words = within("python3", "-c", EVADE)
    assert rc == 1
    assert "Operation not permitted" in words

    more = copy.deepcopy(guests)
    more["slim"]["rootfs"]["size"] = "800MiB"
    outcome = succeed("guests", guests=more)
    assert "rootfs.size: 400MiB -> 800MiB" in outcome.told
    assert within(*fill)[0] == 0
    assert init_of(lab, "slim") == before


def test_a_size_that_nothing_keeps_is_refused(lab: Lab, declared: Declared) -> None:
    before = lab.version()
    sized = copy.deepcopy(declared)
    sized["web"]["rootfs"] = {**sized["web"]["rootfs"], "size": "4GiB"}
    outcome = play("guests", guests=sized)
    assert outcome.rc != 0
    assert "guests.web.rootfs.size: nothing would keep it" in outcome.failures[0]
    assert lab.version() == before
