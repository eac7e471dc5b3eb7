# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of what a guest is made of: disks, root file system, network interfaces, and what it has of its node."""

from __future__ import annotations

from ..guest.definition import derived_mac
from .key import CONTAINER, VM, Context, Key, Parts
from .types import Disk, Mount, Nic, Rootfs
from .values import ADDRESS, BOOLEAN, BRIDGE, DEVICE, IP, MAC, PATH, POOL, SIZE, TARGET, image, list_of, whole

__all__ = ["CONTAINER_ROOTFS", "DISKS", "NICS", "OF_THE_NODE"]


def _default_pool(known: Context) -> str:
    return known.cluster.default_pool


def _default_rootfs_pool(known: Context) -> str:
    return known.cluster.rootfs_pool or known.cluster.default_pool


_POOL_HELP = "Of storage_pools; a new guest on a pool that is each node's own begins on the node it prefers."

DISKS = (
    Key(
        "disks",
        Parts("Disks of a VM", Disk, many=25),
        "The VM's disks: vda, vdb, ... in this order.",
        "[{size: 20GiB, image: debian-13}]",
        VM,
        default=(),
        elsewhere="is for VMs: a container has a rootfs",
    ),
    Key(
        "disks[].size",
        SIZE,
        "May grow, also while the VM runs; never shrinks.",
        "20GiB",
        VM,
        default=0,
        required="such as 20GiB",
        change_words="less than it has is refused",
    ),
    Key(
        "disks[].image",
        image("vm", "disk"),
        "What the new disk is a copy of; without, it is empty.",
        "debian-13",
        VM,
        change="refused",
        change_words="it was made already",
    ),
    Key(
        "disks[].pool",
        POOL,
        _POOL_HELP,
        "shared",
        VM,
        default=_default_pool,
        default_words="storage_default_pool",
        change="refused",
        change_words="unless it is asked for: `-e guests_move_disks=NAME` moves the disk while the VM runs",
    ),
    Key(
        "disks[].target",
        TARGET,
        "Its name; say it when you remove a disk from the middle of the list.",
        "vdb",
        VM,
        default=lambda known: f"vd{chr(ord('a') + known.index)}",
        default_words="by its place in the list",
        change_words="another name is another disk",
    ),
)

CONTAINER_ROOTFS = (
    Key(
        "rootfs",
        Parts("Root file system of a container", Rootfs),
        "The container's root file system.",
        "{image: debian-13, size: 4GiB}",
        CONTAINER,
        change="refused",
        change_words="it was made already",
        elsewhere="is for containers: a VM has disks",
    ),
    Key(
        "rootfs.image",
        image("container", "rootfs"),
        "What the new root file system is a copy of.",
        "debian-13",
        CONTAINER,
        default="",
        required="such as debian-13",
        change="refused",
        change_words="it was made already",
    ),
    Key(
        "rootfs.size",
        SIZE,
        "The most it may hold. Refused where nothing keeps it: the pool has to be on XFS or ext4 with prjquota, or on "
        "btrfs with qgroups.",
        "4GiB",
        CONTAINER,
        default_words="all there is",
    ),
    Key(
        "rootfs.pool",
        POOL,
        _POOL_HELP,
        "shared",
        CONTAINER,
        default=_default_rootfs_pool,
        default_words="storage_rootfs_pool, else storage_default_pool",
        change="refused",
        change_words="the run says how data is moved by hand",
    ),
)

NICS = (
    Key(
        "nics",
        Parts("Network interfaces", Nic, many=16),
        "Network interfaces: eth0, eth1, ... in this order.",
        "[{bridge: br0, address: 192.0.2.20/24, gateway: 192.0.2.1}]",
        default=(),
        change={"vm": "live", "container": "restart"},
    ),
    Key(
        "nics[].bridge",
        BRIDGE,
        "Of network_bridges.",
        "br0",
        default="",
        required="such as br0",
        change={"vm": "live", "container": "restart"},
    ),
    Key(
        "nics[].address",
        ADDRESS,
        "The one address of the interface.",
        "192.0.2.20/24",
        default_words="asked of DHCP",
        change="restart",
        spelling_of="addresses",
    ),
    Key(
        "nics[].addresses",
        list_of(ADDRESS, "list of address/prefix length"),
        "Its addresses, when there are several.",
        '[192.0.2.20/24, "2001:db8::20/64"]',
        default=(),
        default_words="asked of DHCP",
        change="restart",
    ),
    Key(
        "nics[].gateway",
        IP,
        "Where everything else is reached through; a single address (/32, /128) may have one outside of it.",
        "192.0.2.1",
        default_words="none",
        change="restart",
        spelling_of="gateways",
    ),
    Key(
        "nics[].gateways",
        list_of(IP, "list of IP addresses"),
        "One for IPv4 and one for IPv6.",
        '[192.0.2.1, "2001:db8::1"]',
        default=(),
        default_words="none",
        change="restart",
    ),
    Key(
        "nics[].vlan",
        whole(1, 4094),
        "Its VLAN; the bridge has to be vlan_aware.",
        "42",
        change={"vm": "live", "container": "restart"},
    ),
    Key("nics[].mtu", whole(576, 9216), "Its largest packet.", "1500", default_words="the bridge's", change="restart"),
    Key(
        "nics[].mac",
        MAC,
        "Its MAC address, in quotes.",
        '"52:54:00:12:34:56"',
        default=lambda known: derived_mac(known.guest, known.index),
        default_words="made from the guest's name",
        change={"vm": "live", "container": "restart"},
        change_words="another MAC address is another interface",
    ),
    Key(
        "nics[].trusted",
        BOOLEAN,
        "For routers: it may use any MAC, address and VLAN, advertise routes and give addresses.",
        "true",
        default=False,
    ),
)

_ONLY_CONTAINERS = "is for containers: a VM has hardware of its own, and moves with it"
OF_THE_NODE = (
    Key(
        "devices",
        list_of(DEVICE, "list of devices"),
        "Devices of the node that the container's root may use; every node that it is to run on has to have them.",
        "[/dev/net/tun]",
        CONTAINER,
        default=(),
        change="restart",
        elsewhere=_ONLY_CONTAINERS,
    ),
    Key(
        "mounts",
        Parts("Mounts of a container", Mount, many=32),
        "Folders and files of the node that the container sees, the same path on every node that it is to run on.",
        "[{source: /srv/media, target: /media}]",
        CONTAINER,
        default=(),
        change="restart",
        elsewhere=_ONLY_CONTAINERS,
    ),
    Key(
        "mounts[].source",
        PATH,
        "What of the node; on a shared file system, or the same on all nodes by other means.",
        "/srv/media",
        CONTAINER,
        default="",
        required="such as /srv/media",
        change="restart",
    ),
    Key(
        "mounts[].target",
        PATH,
        "Where the container has it; it is made there.",
        "/media",
        CONTAINER,
        default="",
        required="such as /media",
        change="restart",
    ),
    Key(
        "mounts[].read_only",
        BOOLEAN,
        "False lets the container write, as far as owners allow: on the node its root is an ordinary user.",
        "false",
        CONTAINER,
        default=True,
        change="restart",
    ),
)
