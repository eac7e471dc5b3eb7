# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mounts of storage pools as systemd units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

__all__ = ["ceph_clients", "followers", "packages", "telling", "unit_name", "units"]

FOLDER = "/etc/systemd/system"
HEADER = "# Kept by Drover's role storage.\n"

#: What brings mount its helper, by type of file system. Minimal installations lack them.
_HELPERS = {
    "ceph": "ceph-common",
    "nfs": "nfs-common",
    "nfs4": "nfs-common",
    "cifs": "cifs-utils",
    "glusterfs": "glusterfs-client",
}


#: Options of mount that are a password, or hold one (mount.cifs(8), mount.ceph(8)).
_PASSWORD = re.compile(r"(^|,)\s*((pass|passwd|password2?|secret)\s*=|user(name)?\s*=[^,]*%)", re.IGNORECASE)


def telling(pools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The pools whose mount options hold a password: everybody may read a unit file, and what systemd says of it."""
    options = {name: str((pool.get("mount") or {}).get("options", "")) for name, pool in pools.items()}
    return [name for name, text in options.items() if _PASSWORD.search(text)]


def packages(pools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The packages without which the pools that are to be mounted cannot be."""
    types = {(pool.get("mount") or {}).get("fstype", "") for pool in pools.values()}
    return sorted({_HELPERS[fstype] for fstype in types if fstype in _HELPERS})


def unit_name(path: str) -> str:
    """The mount unit's name for an absolute path, as systemd.unit(5) tells under "String escaping"."""
    plain = path.strip("/")
    if not plain:
        return "-.mount"
    escaped = ""
    for position, character in enumerate(plain):
        if character == "/":
            escaped += "-"
        elif (character.isascii() and (character.isalnum() or character in ":_")) or (character == "." and position):
            escaped += character
        else:
            escaped += "".join(f"\\x{byte:02x}" for byte in character.encode())
    return f"{escaped}.mount"


def followers(pools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The services that systemd starts after each mount that a pool may lie on: at its path and at those above.

    Whether there are such mounts, and who makes them, does not matter.
    """
    paths = (PurePosixPath(pool["path"]) for pool in pools.values() if "path" in pool)
    mounts = {unit_name(str(place)) for path in paths for place in (path, *path.parents) if place.parts[1:]}
    return sorted(f"drover-storage@{mount.removesuffix('.mount')}.service" for mount in mounts)


def ceph_clients(pools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The services that tell the cluster by which address each mount of a file system in Ceph is known there."""
    paths = [str(pool["path"]) for pool in pools.values() if pool.get("type") == "cephfs"]
    return [f"drover-ceph-client@{unit_name(path).removesuffix('.mount')}.service" for path in paths]


def units(pools: Mapping[str, Mapping[str, Any]], ceph_by_kernel: bool = False) -> list[dict[str, str]]:
    """Unit files for the pools that are to be mounted, as [{path, content}] (see role storage's defaults).

    ``ceph_by_kernel`` says that the node's kernel has Ceph's file system, else a daemon of Ceph's mounts it.
    """
    entries = []
    for name, pool in pools.items():
        cephfs = pool.get("type") == "cephfs"
        mount = _cephfs(str(pool.get("filesystem", name)), ceph_by_kernel) if cephfs else pool.get("mount")
        if not mount:
            continue
        more = mount.get("unit", "")
        content = (
            f"{HEADER}[Unit]\nDescription=Storage pool {name}\n"
            # Guests must be gone before their disks are.
            f"Before=pacemaker.service\n{more}\n"
            f"[Mount]\nWhat={mount['src']}\nWhere={pool['path']}\nType={mount['fstype']}\n"
            f"Options={mount.get('options', 'defaults')}\n{mount.get('mount', '')}\n"
            "[Install]\nWantedBy=multi-user.target\n"
        )
        entries.append({"path": f"{FOLDER}/{unit_name(pool['path'])}", "content": content})
    return entries


def _cephfs(filesystem: str, by_kernel: bool) -> dict[str, str]:
    """How a file system of Ceph's is mounted, by the key of the node's own that Ceph finds itself."""
    # Monitors and the metadata server may come up with this node, on it and on others.
    # What systemd orders by itself for a mount over the network it forgets once ceph-fuse is mounted, whose options do
    # not say so: what waited for that then waits for ever.
    unit = "Before=remote-fs.target\n"
    unit += "After=drover-ceph-ready.service network-online.target\n"
    unit += "Wants=drover-ceph-ready.service network-online.target\n"
    mount = "TimeoutSec=120\n"
    if by_kernel:
        options = "ms_mode=secure,noatime,_netdev"
        return {"src": f"drover@.{filesystem}=/", "fstype": "ceph", "options": options, "unit": unit, "mount": mount}
    # Files of containers have the rights and the devices that they have anywhere else, and are other users' than
    # root's.
    options = f"ceph.id=drover,ceph.client_fs={filesystem},allow_other,suid,dev,noatime,_netdev"
    return {"src": "none", "fstype": "fuse.ceph", "options": options, "unit": unit, "mount": mount}
