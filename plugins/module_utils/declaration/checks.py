# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What does not go together within one mapping of a declaration, whatever else is declared.

A check is given what was made of a mapping, the mapping itself, and the cluster; it yields keys and messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core import parse
from ..core.quantities import format_size
from . import networks
from .types import Cluster, Guest, Incoming, Migration, Nic, Outgoing

__all__ = ["CHECKS", "Check"]

#: What QEMU's machine type pc takes.
MOST_VCPUS = 255
#: Disks and interfaces on its one bus of 32 slots: two are the machine's own, then come the seed, the serial devices,
#: the balloon and the source of randomness.
MOST_DEVICES = 26
#: RFC 8200, section 5. Linux takes IPv6 away from an interface with less.
LEAST_IPV6_MTU = 1280


Found = Iterator[tuple[str, str]]
Raw = Mapping[Any, Any]
Check = Callable[[Any, Raw, Cluster], Found]


def _guest(guest: Guest, raw: Raw, cluster: Cluster) -> Found:
    if raw.get("remove_disks") is True:
        yield "remove_disks", "only goes with state: absent"
    yield from (_vm if guest.kind == "vm" else _container)(guest, raw, cluster)


def _vm(guest: Guest, raw: Raw, cluster: Cluster) -> Found:
    if guest.max_vcpus < guest.vcpus:
        yield "max_vcpus", f"is less than the {guest.vcpus} vcpus it starts with"
    if max(guest.vcpus, guest.max_vcpus) > MOST_VCPUS:
        key = "vcpus" if guest.vcpus > MOST_VCPUS else "max_vcpus"
        yield key, f"{getattr(guest, key)} is more than the {MOST_VCPUS} that a VM can have"
    if guest.max_memory < guest.memory:
        yield "max_memory", f"is less than the {format_size(guest.memory)} it starts with"
    targets = [disk.target for disk in guest.disks]
    for target in sorted({target for target in targets if targets.count(target) > 1}):
        yield "disks", f"{target} is the target of more than one"
    if not raw.get("disks") and not raw.get("image"):
        yield "disks", "is missing: the VM has nothing to boot from, e.g. disks: [{size: 8GiB, image: debian-13}]"
    if len(guest.disks) + len(guest.nics) > MOST_DEVICES:
        yield (
            "disks",
            f"{len(guest.disks)} disks and {len(guest.nics)} interfaces are more than the {MOST_DEVICES} devices that "
            "a VM has slots for",
        )
    pools = {disk.pool for disk in guest.disks} or {cluster.default_pool}
    for pool in sorted(pool for pool in pools if cluster.kinds.get(pool) == "cephfs"):
        yield "disks", f"pool {pool} is of type cephfs, for containers: disks go to one of type rbd or directory"
    if guest.migration.post_copy == "fallback" and pools.intersection(cluster.local_pools):
        yield (
            "migration.post_copy",
            "the VM has disks on storage of one node's own, and would lose what it wrote when its post-copy fails",
        )


def _container(guest: Guest, raw: Raw, cluster: Cluster) -> Found:
    if raw.get("migration") and (guest.rootfs is None or guest.rootfs.pool not in cluster.local_pools):
        yield "migration", "is for VMs: a container on shared storage moves by stopping and starting"

    if guest.rootfs is not None and cluster.kinds.get(guest.rootfs.pool) == "rbd":
        yield (
            "rootfs",
            f"pool {guest.rootfs.pool} is of type rbd, for disks of VMs: name one of type cephfs or directory, here "
            "(rootfs.pool) or for all containers (storage_rootfs_pool)",
        )
    yield from _of_the_node(guest)


#: What of a node no container is given by a mount: what its kernel and its services keep there.
_NODES_OWN = ("/dev", "/etc", "/proc", "/run", "/sys", "/var/lib/pacemaker", "/var/lib/corosync", "/usr/lib/drover")
#: Where a container has what its own kernel and init keep there.
_INITS_OWN = ("/dev", "/proc", "/sys", "/run")


def _of_the_node(guest: Guest) -> Found:
    targets = [mount.target for mount in guest.mounts]
    for index, mount in enumerate(guest.mounts):
        if any(mount.source == own or mount.source.startswith(f"{own}/") for own in _NODES_OWN):
            yield f"mounts[{index}].source", f"{mount.source} is the node's own: a device is given by `devices`"
        if any(mount.target == own or mount.target.startswith(f"{own}/") for own in _INITS_OWN):
            yield f"mounts[{index}].target", f"{mount.target} is where the container's own system has its files"
        if mount.target in targets[:index]:
            yield f"mounts[{index}].target", f"{mount.target} is there already"


def _nic(nic: Nic, _raw: Raw, cluster: Cluster) -> Found:
    for gateway in nic.gateways:
        if complaint := networks.astray(gateway, nic.addresses):
            yield "gateway", complaint
    for version in (4, 6):
        if sum(parse.as_ip(gateway).version == version for gateway in nic.gateways) > 1:
            yield "gateways", f"more than one for IPv{version}: a guest can follow one only"
    if nic.mtu is not None and nic.mtu < LEAST_IPV6_MTU and any(":" in address for address in nic.addresses):
        yield "mtu", f"{nic.mtu} is too small for IPv6, which needs {LEAST_IPV6_MTU}"
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


def _rule(rule: Incoming | Outgoing, _raw: Raw, _cluster: Cluster) -> Found:
    if rule.ports and rule.protocol not in ("tcp", "udp"):
        yield "protocol", "ports are those of tcp or udp: say which, in two rules for both"


#: The checks by the path of the mapping; the empty one is the guest.
CHECKS: Mapping[str, Check] = {
    "": _guest,
    "nics[]": _nic,
    "firewall.in[]": _rule,
    "firewall.out[]": _rule,
    "migration": _migration,
}
