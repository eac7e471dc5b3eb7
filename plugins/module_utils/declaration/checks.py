# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What does not go together within one mapping of a declaration, whatever else is declared.

A check is given what was made of a mapping, the mapping itself, and the cluster; it yields keys and messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core.quantities import format_size
from . import networks
from .types import Cluster, Guest, Migration, Nic

__all__ = ["CHECKS", "Check"]

Found = Iterator[tuple[str, str]]
Raw = Mapping[Any, Any]
Check = Callable[[Any, Raw, Cluster], Found]


def _guest(guest: Guest, raw: Raw, cluster: Cluster) -> Found:
    if raw.get("remove_disks"):
        yield "remove_disks", "only goes with state: absent"
    yield from (_vm if guest.kind == "vm" else _container)(guest, raw, cluster)


def _vm(guest: Guest, raw: Raw, cluster: Cluster) -> Found:
    if guest.max_vcpus < guest.vcpus:
        yield "max_vcpus", f"is less than the {guest.vcpus} vcpus it starts with"
    if guest.max_memory < guest.memory:
        yield "max_memory", f"is less than the {format_size(guest.memory)} it starts with"
    targets = [disk.target for disk in guest.disks]
    for target in sorted({target for target in targets if targets.count(target) > 1}):
        yield "disks", f"{target} is the target of more than one"
    if "disks" not in raw and "image" not in raw:
        yield "disks", "is missing: the VM has nothing to boot from, e.g. disks: [{size: 8GiB, image: debian-13}]"
    pools = {disk.pool for disk in guest.disks} or {cluster.default_pool}
    if guest.migration.post_copy == "fallback" and pools.intersection(cluster.local_pools):
        yield (
            "migration.post_copy",
            "the VM has disks on storage of one node's own, and would lose what it wrote when its post-copy fails",
        )


def _container(guest: Guest, raw: Raw, cluster: Cluster) -> Found:
    if raw.get("migration") and (guest.rootfs is None or guest.rootfs.pool not in cluster.local_pools):
        yield "migration", "is for VMs: a container on shared storage moves by stopping and starting"


def _nic(nic: Nic, _raw: Raw, cluster: Cluster) -> Found:
    for gateway in nic.gateways:
        if complaint := networks.astray(gateway, nic.addresses):
            yield "gateway", complaint
    yield from networks.misfits(nic, (cluster.bridges or {}).get(nic.bridge))


def _migration(migration: Migration, raw: Raw, _cluster: Cluster) -> Found:
    if raw.get("channels") is None or migration.channels == 1:
        return
    if migration.post_copy == "fallback":
        yield "channels", "parallel channels and post_copy exclude each other: leave out one of them"
    elif migration.bandwidth is not None:
        yield (
            "channels",
            "parallel channels with a bandwidth can cost the VM its life when the target fails: leave out one of them",
        )


#: The checks by the path of the mapping; the empty one is the guest.
CHECKS: Mapping[str, Check] = {"": _guest, "nics[]": _nic, "migration": _migration}
