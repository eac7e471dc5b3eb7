# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a guest as declared to its definition, which its Pacemaker resource carries (see guest/definition.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..guest.definition import IDMAP, SCHEMA
from ..storage.volumes import Pool
from .firewall import rules
from .types import Guest, Nic

__all__ = ["definition"]

#: The seed disk's name in the guest, out of the way of disks that are added later.
SEED_TARGET = "vdz"


def definition(
    guest: Guest,
    pools: Mapping[str, Pool],
    images: Mapping[str, Mapping[str, Any]],
    ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What the agents start the guest from. ``images`` are those the guest boots from with a kernel, by name; ``ids``
    are the range of an unprivileged container.

    Raises KeyError when a pool or an image is not there; ``read`` has made sure of both.
    """
    if guest.rootfs is not None:
        return _container(guest, pools[guest.rootfs.pool], ids or IDMAP)
    return _vm(guest, pools, images)


def _vm(guest: Guest, pools: Mapping[str, Pool], images: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    disks = [
        {
            "target": disk.target,
            "source": pools[disk.pool].disk(guest.name, disk.target),
            "size": disk.size,
            "image": disk.image,
            "readonly": False,
        }
        for disk in guest.disks
    ]
    seed = {"target": SEED_TARGET, "source": pools[guest.seed_pool].seed(guest.name), "readonly": True}
    return {
        **_common(guest),
        "uuid": guest.uuid,
        "max_vcpus": guest.max_vcpus,
        "max_memory": guest.max_memory,
        "cpu": guest.cpu,
        # Said only where it is so: definitions from before stay as they are.
        **({"screen": True} if guest.screen else {}),
        "firmware": "bios",
        "kernel": dict(images[guest.image]) if guest.image else None,
        "disks": [*disks, seed],
        "nics": [_nic(nic) for nic in guest.nics],
        "migration": {
            "max_downtime": guest.migration.max_downtime,
            **_migration(guest),
            "auto_converge": guest.migration.auto_converge,
            "post_copy": guest.migration.post_copy,
            "channels": guest.migration.channels,
        },
    }


def _container(guest: Guest, pool: Pool, ids: Mapping[str, int]) -> dict[str, Any]:
    size = None if guest.rootfs is None else guest.rootfs.size
    return {
        **_common(guest),
        "privileged": guest.privileged,
        "idmap": dict(ids),
        "rootfs": {
            **pool.rootfs(guest.name),
            "image": guest.rootfs.image if guest.rootfs else None,
            **({} if size is None else {"size": size}),
        },
        "nics": [{"name": f"eth{index}", **_nic(nic)} for index, nic in enumerate(guest.nics)],
        **({"devices": list(guest.devices)} if guest.devices else {}),
        **({"mounts": [asdict(mount) for mount in guest.mounts]} if guest.mounts else {}),
        # On shared storage nothing is copied.
        **({} if pool.shared else {"migration": _migration(guest)}),
    }


def _common(guest: Guest) -> dict[str, Any]:
    """What the definitions of both kinds begin with."""
    return {
        "schema": SCHEMA,
        "kind": guest.kind,
        "name": guest.name,
        **({"description": guest.description} if guest.description else {}),
        "vcpus": guest.vcpus,
        "memory": guest.memory,
        "stop_timeout": _seconds(guest.stop_timeout),
        **({"firewall": passing} if (passing := rules(guest.firewall)) else {}),
        "on_poweroff": guest.on_poweroff,
        "nameservers": list(guest.nameservers),
        "ssh_keys": list(guest.ssh_keys),
    }


def _nic(nic: Nic) -> dict[str, Any]:
    return {
        "mac": nic.mac,
        "bridge": nic.bridge,
        "vlan": nic.vlan,
        "mtu": nic.mtu,
        "addresses": list(nic.addresses),
        "gateways": list(nic.gateways),
        # Said only where it is so: definitions from before stay as they are.
        **({"trusted": True} if nic.trusted else {}),
    }


def _migration(guest: Guest) -> dict[str, Any]:
    """The part of the migration policy that both kinds have."""
    timeout = guest.migration.timeout
    return {"bandwidth": guest.migration.bandwidth, "timeout": None if timeout is None else _seconds(timeout)}


def _seconds(milliseconds: int) -> int:
    """As whole seconds, rounded up."""
    return -(-milliseconds // 1000)
