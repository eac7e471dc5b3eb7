# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who does what in Ceph's cluster: from the inventory to monitors, managers, stores of objects (OSDs) and metadata
servers.

The functions are pure. What is wrong with a layout comes as texts that begin with a code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.quantities import GIB, MIB, format_size, parse_size

__all__ = [
    "DAEMON_MEMORY",
    "GROUPS",
    "OSD_MEMORY",
    "Layout",
    "layout",
    "memory_of",
    "osd_count",
    "pools_of",
    "problems",
]

#: The inventory group of each task.
GROUPS = {"mon": "ceph_mons", "mgr": "ceph_mgrs", "osd": "ceph_osds", "mds": "ceph_mds"}
_ALL = tuple(GROUPS.values())
#: Memory of an OSD where nothing is said, and the least that BlueStore takes (osd_memory_target).
OSD_MEMORY = 4 * GIB
LEAST_OSD_MEMORY = 896 * 1024**2
#: Memory of each other daemon where nothing is said, and of the daemon that mounts a file system (measured: 0.4 GiB).
DAEMON_MEMORY = GIB
_MOUNT = 512 * MIB
#: From so many nodes on five monitors survive the loss of two.
_MANY = 7
#: Copies of each object.
COPIES = 3


@dataclass(frozen=True)
class Layout:
    """The nodes of each task, in the order of the inventory."""

    mon: tuple[str, ...]
    mgr: tuple[str, ...]
    osd: tuple[str, ...]
    mds: tuple[str, ...]

    def as_dict(self) -> dict[str, list[str]]:
        """By task, as roles read it."""
        return {task: list(getattr(self, task)) for task in GROUPS}


def layout(nodes: Sequence[Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> Layout:
    """Who does what: the groups in GROUPS say, and where one is missing or empty, the nodes' number does.

    ``nodes`` are the variables of each host, in the order of the inventory.
    """
    names = [str(node["inventory_hostname"]) for node in nodes]
    told = {task: tuple(name for name in names if name in groups.get(group, ())) for task, group in GROUPS.items()}
    mons = told["mon"] or tuple(names[: 5 if len(names) >= _MANY else 3])
    return Layout(
        mon=mons,
        mgr=told["mgr"] or mons[:2],
        osd=told["osd"] or tuple(name for name, node in zip(names, nodes, strict=True) if osd_count(node)),
        mds=told["mds"] or mons[:2],
    )


def osd_count(node: Mapping[str, Any]) -> int:
    """How many OSDs the variables of a host declare."""
    return len(node.get("ceph_osd_devices") or ()) + bool(node.get("ceph_osd_file"))


def memory_of(nodes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Bytes of memory that Ceph's daemons take of each node, by name, which are not there for guests.

    ``nodes`` are the variables of each host; those of ``group_names`` say who does what.
    """
    names = {group: [str(node["inventory_hostname"]) for node in nodes if group in _groups(node)] for group in _ALL}
    tasks = layout(nodes, names)
    return {str(node["inventory_hostname"]): _memory(node, tasks) for node in nodes}


def _memory(node: Mapping[str, Any], tasks: Layout) -> int:
    if not node.get("ceph_enabled"):
        return 0
    name = str(node["inventory_hostname"])
    each = parse_size(node.get("ceph_daemon_memory", DAEMON_MEMORY))
    beside = each * sum(name in getattr(tasks, task) for task in ("mon", "mgr", "mds"))
    mounts = _MOUNT * len(pools_of(node.get("storage_pools") or {})["cephfs"])
    return osd_count(node) * parse_size(node.get("ceph_osd_memory", OSD_MEMORY)) + beside + mounts


def _groups(node: Mapping[str, Any]) -> Sequence[str]:
    found: Sequence[str] = node.get("group_names") or ()
    return found


def pools_of(storage: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Ceph's pools for VMs' disks and its file systems, as the pools in ``storage_pools`` of these types name them."""
    return {
        "rbd": sorted({str(pool.get("pool", name)) for name, pool in storage.items() if pool.get("type") == "rbd"}),
        "cephfs": sorted(
            {str(pool.get("filesystem", name)) for name, pool in storage.items() if pool.get("type") == "cephfs"}
        ),
    }


def problems(
    nodes: Sequence[Mapping[str, Any]], groups: Mapping[str, Sequence[str]], storage: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What keeps the nodes from being a Ceph cluster that survives the loss of one, each a code and a sentence."""
    tasks = layout(nodes, groups)
    by_name = {str(node["inventory_hostname"]): node for node in nodes}
    found = []
    strangers = sorted({name for group in GROUPS.values() for name in groups.get(group, ())} - set(by_name))
    if strangers:
        found.append(f"CEPH_STRANGER: {', '.join(strangers)} in ceph_* groups: only nodes of the cluster can be there.")
    if len(tasks.mon) < 3 or len(tasks.mon) % 2 == 0:
        found.append(
            f"CEPH_MONS: {len(tasks.mon)} monitors ({', '.join(tasks.mon)}): give three, or five, so that the others "
            f"are a majority when a node is lost (group {GROUPS['mon']})."
        )
    without = [name for name in tasks.osd if not osd_count(by_name[name])]
    if without:
        found.append(
            f"CEPH_NO_STORE: {', '.join(without)} shall have OSDs and names no device: set ceph_osd_devices of the "
            f"host (a list of /dev/disk/by-id/...), or take it out of group {GROUPS['osd']}."
        )
    if len(tasks.osd) < COPIES:
        found.append(
            f"CEPH_COPIES: every object has {COPIES} copies on as many nodes, and {len(tasks.osd)} have OSDs "
            f"({', '.join(tasks.osd) or 'none'}): set ceph_osd_devices on {COPIES} nodes at least."
        )
    if len(tasks.mgr) < 2:
        found.append(f"CEPH_MGRS: one manager alone is lost with its node: put two nodes into group {GROUPS['mgr']}.")
    if pools_of(storage)["cephfs"] and len(tasks.mds) < 2:
        found.append(f"CEPH_MDS: a file system needs a standby for its MDS: put two nodes into group {GROUPS['mds']}.")
    for name in tasks.osd:
        memory = parse_size(by_name[name].get("ceph_osd_memory", OSD_MEMORY))
        if memory < LEAST_OSD_MEMORY:
            found.append(
                f"CEPH_OSD_MEMORY: {name}: {format_size(memory)} is too little for an OSD, which takes "
                f"{format_size(LEAST_OSD_MEMORY)} at least: raise ceph_osd_memory."
            )
        devices = [str(device) for device in by_name[name].get("ceph_osd_devices") or ()]
        odd = sorted({device for device in devices if not device.startswith("/dev/") or devices.count(device) > 1})
        if odd:
            found.append(f"CEPH_DEVICES: {name}: {', '.join(odd)} in ceph_osd_devices: each a path below /dev, once.")
    return found
