# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest as its YAML could say it, from what the cluster knows of it: so that a change made without the YAML is judged
by the very code that judges the YAML.

Defaults are left out, as people do. Pools are called by their paths, for their names stand in the inventory alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ceph.rbd import PREFIX
from ..core.quantities import format_duration, format_size
from ..guest.definition import Definition, derived_mac, derived_uuid
from .definitions import SEED_TARGET
from .types import Ha, Migration

__all__ = ["boot_image", "declared", "surroundings"]

_USUAL = Migration()


def declared(definition: Definition, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping under a guest's name. ``wishes`` are what cluster/guest_specs.wishes tells of it."""
    vm = definition["kind"] == "vm"
    usual = 60 if vm else 30
    found: dict[str, Any] = {
        "kind": definition["kind"],
        "state": wishes["state"],
        "description": definition.get("description"),
        "vcpus": definition["vcpus"],
        "memory": format_size(definition["memory"]),
        **(_vm(definition) if vm else _container(definition)),
        "nics": [_nic(definition["name"], index, nic) for index, nic in enumerate(definition["nics"])],
        "firewall": _firewall(definition.get("firewall")),
        "ssh_keys": list(definition.get("ssh_keys") or ()),
        "nameservers": list(definition.get("nameservers") or ()),
        "on_poweroff": definition["on_poweroff"],
        "stop_timeout": _unless(f"{definition['stop_timeout']}s", f"{usual}s"),
        "ha": _ha(wishes["ha"]),
        "placement": _said({key: wishes[key] for key in ("prefer", "apart_from", "together_with")}),
        "migration": _migration(definition["migration"], vm=vm),
    }
    if found["state"] == "present":
        del found["state"]
    if found["on_poweroff"] == "restart":
        del found["on_poweroff"]
    return {key: value for key, value in found.items() if value is False or value not in (None, [], {}, "")}


def boot_image(name: str) -> str:
    """What the image is called here that a VM boots from, whose name its definition does not tell."""
    return f"the kernel of {name}"


def surroundings(definitions: Mapping[str, Definition], nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What guests are judged against (declaration.Declaration.read), as far as these guests themselves tell."""
    pools: dict[str, dict[str, Any]] = {}
    images: dict[str, dict[str, str]] = {}
    default = ""
    for name, definition in definitions.items():
        if definition.get("kernel"):
            images[boot_image(name)] = {"vm": "kernel"}
        volumes = [definition["rootfs"]] if "rootfs" in definition else definition["disks"]
        for volume in volumes:
            pool, its = _pool(volume.get("source", volume))
            pools[pool] = its
            if image := volume.get("image"):
                kind, boot = ("container", "rootfs") if "rootfs" in definition else ("vm", "disk")
                images.setdefault(image, {})[kind] = boot
            if volume.get("target") == SEED_TARGET:
                default = pool
    return {"nodes": nodes, "images": images, "pools": pools, "default_pool": default or next(iter(pools), "")}


def _vm(definition: Definition) -> dict[str, Any]:
    disks = [disk for disk in definition["disks"] if disk["target"] != SEED_TARGET]
    return {
        "max_vcpus": _unless(definition["max_vcpus"], definition["vcpus"]),
        "max_memory": _unless(format_size(definition["max_memory"]), format_size(definition["memory"])),
        "cpu": definition["cpu"],
        "uuid": _unless(definition["uuid"], derived_uuid(definition["name"])),
        "screen": definition.get("screen"),
        "image": boot_image(definition["name"]) if definition["kernel"] else None,
        "disks": [
            {
                "size": format_size(disk["size"]),
                **({"image": disk["image"]} if disk.get("image") else {}),
                "pool": _pool(disk["source"])[0],
                **({} if disk["target"] == f"vd{chr(ord('a') + index)}" else {"target": disk["target"]}),
            }
            for index, disk in enumerate(disks)
        ],
    }


def _container(definition: Definition) -> dict[str, Any]:
    rootfs = definition["rootfs"]
    size = rootfs.get("size")
    return {
        "rootfs": {
            "image": rootfs.get("image") or "",
            **({"size": format_size(size)} if size else {}),
            "pool": _pool(rootfs)[0],
        },
        "privileged": definition.get("privileged") or None,
        "devices": list(definition.get("devices") or ()),
        "mounts": [dict(mount) for mount in definition.get("mounts") or ()],
    }


def _nic(guest: str, index: int, nic: Mapping[str, Any]) -> dict[str, Any]:
    return _said(
        {
            "bridge": nic["bridge"],
            "addresses": list(nic["addresses"]),
            "gateways": list(nic["gateways"]),
            "vlan": nic["vlan"],
            "mtu": nic["mtu"],
            "mac": _unless(nic["mac"], derived_mac(guest, index)),
            "trusted": nic.get("trusted") or None,
        }
    )


def _firewall(firewall: Mapping[str, Any] | None) -> dict[str, Any]:
    ways = {"in": "from", "out": "to"}
    return {
        way: [
            {
                "protocol": rule["protocol"],
                **({"ports": list(rule["ports"])} if rule.get("ports") else {}),
                **({ways[way]: list(rule["peers"])} if "peers" in rule else {}),
            }
            for rule in rules
        ]
        for way, rules in (firewall or {}).items()
    }


def _ha(ha: Mapping[str, int] | None) -> object:
    usual = vars(Ha())
    return False if ha is None else {key: value for key, value in ha.items() if value != usual[key]}


def _migration(migration: Mapping[str, Any], *, vm: bool) -> dict[str, Any]:
    bandwidth, timeout = migration.get("bandwidth"), migration.get("timeout")
    found: dict[str, Any] = {
        "bandwidth": None if bandwidth is None else format_size(bandwidth),
        "timeout": None if timeout is None else format_duration(timeout * 1000),
    }
    if vm:
        downtime, copied = migration.get("max_downtime", _USUAL.max_downtime), migration.get("post_copy", "never")
        channels = 1 if copied == "fallback" or bandwidth is not None else _USUAL.channels
        found |= {
            "max_downtime": None if downtime == _USUAL.max_downtime else format_duration(downtime),
            "auto_converge": None if migration.get("auto_converge", True) else False,
            "post_copy": _unless(copied, "never"),
            "channels": _unless(migration.get("channels", channels), channels),
        }
    return _said(found)


def _pool(source: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The pool that a volume is in: what it is called here, and how role storage would declare it."""
    path = str(source["path"])
    if source["type"] == "rbd":
        pool = path.removeprefix(PREFIX).rpartition("/")[0]
        return pool, {"type": "rbd", "pool": pool}
    # A pool's folder holds vms/NAME/FILE, and containers/NAME/rootfs.
    folder = path.rsplit("/", 3)[0]
    return folder, {"type": "directory", "path": folder, "shared": source.get("shared", True)}


def _unless(value: Any, usual: Any) -> Any:
    return None if value == usual else value


def _said(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is False or value not in (None, [], ())}
