# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For every key of the guests model a change of it, to be tried: what it was, what it becomes, and what comes of it.

Add a row for a key that you add, in ``CHANGES`` for each kind of guest that has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["BASE", "CHANGES", "CLUSTER", "IMAGES", "MISSING", "Row"]

Outcome = Literal["live", "restart", "refused"]
#: In place of a value: the key is not there.
MISSING: Any = object()


@dataclass(frozen=True)
class Row:
    """``before`` and ``after`` are values of the key. What comes of the change, and of its way ``back``, is what the
    table of keys says, unless it is told here: then the key's ``change_words`` have to tell people as well. ``beside``
    are other keys that the guest has all the while."""

    before: Any
    after: Any
    there: Outcome | None = None
    back: Outcome | None = None
    beside: dict[str, Any] = field(default_factory=dict)


NIC = {"bridge": "br0", "address": "192.0.2.20/24"}
BASE: dict[str, dict[str, Any]] = {
    "vm": {
        "kind": "vm",
        "memory": "512MiB",
        "disks": [{"size": "8GiB", "image": "debian-13"}],
        "nics": [dict(NIC)],
    },
    "container": {"kind": "container", "memory": "256MiB", "rootfs": {"image": "debian-13"}, "nics": [dict(NIC)]},
}
_NODE = {"memory": 64 << 30, "vcpus": 32}
CLUSTER: dict[str, Any] = {
    "nodes": {f"node{number}": {**_NODE, "addresses": [f"192.0.2.{number}/24"]} for number in (1, 2, 3)},
    "images": {
        "debian-13": {"vm": "disk", "container": "rootfs"},
        "debian-12": {"vm": "disk", "container": "rootfs"},
        "tiny": {"vm": "kernel"},
        "small": {"vm": "kernel"},
    },
    "pools": {
        "shared": {"type": "directory", "path": "/pool"},
        "other": {"type": "directory", "path": "/other"},
        "local": {"type": "directory", "path": "/own", "shared": False},
    },
    "default_pool": "shared",
    "bridges": {"br0": {"vlan_aware": True, "mtu": 9000}, "br1": {"vlan_aware": True, "mtu": 9000}},
    "ssh_keys": [],
    "nameservers": [],
    "firewall_groups": {"web": {"in": [{"protocol": "tcp", "port": 443}]}},
}
IMAGES = {
    f"{kind}/{name}": {
        "path": f"/images/{kind}-{name}",
        "files": {"disk": "disk", "rootfs": "rootfs.tar"}
        if name.startswith("debian")
        else {"kernel": "k", "initrd": "i"},
        "cmdline": name,
    }
    for name, kinds in CLUSTER["images"].items()
    for kind in kinds
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl you@laptop"
LOCAL = {"rootfs.pool": "local"}
DISK, SMALL = {"size": "8GiB", "image": "debian-13"}, {"size": "1GiB"}
ONE, TWO = "192.0.2.20/24", "192.0.2.21/24"
MOUNT = {"source": "/srv/media", "target": "/media"}
BOTH = ("vm", "container")

WEB = {"protocol": "tcp", "port": 443}


def _rules(way: str, peer: str) -> dict[str, Row]:
    """Changes of the rules of a firewall for what comes in or goes out."""
    rules = f"firewall.{way}"
    rule: dict[str, Any] = {rules: [WEB]}
    return {
        rules: Row([WEB], [WEB, {"protocol": "udp", "port": 53}]),
        f"{rules}[].protocol": Row("tcp", "udp", beside=rule),
        f"{rules}[].port": Row(443, 80, beside=rule),
        f"{rules}[].ports": Row([443], [443, 80], beside={rules: [{"protocol": "tcp", "ports": [443]}]}),
        f"{rules}[].{peer}": Row(MISSING, ["192.0.2.0/24"], beside=rule),
    }


_SAME: dict[str, Row] = {
    "state": Row("present", "stopped"),
    "description": Row(MISSING, "The game server"),
    "nics": Row([NIC], [NIC, {"bridge": "br1"}]),
    "nics[].bridge": Row("br0", "br1"),
    "nics[].address": Row(ONE, TWO),
    "nics[].addresses": Row([ONE], [ONE, "2001:db8::20/64"], beside={"nics[].address": MISSING}),
    "nics[].gateway": Row(MISSING, "192.0.2.254"),
    "nics[].gateways": Row(["192.0.2.254"], ["192.0.2.253"]),
    "nics[].vlan": Row(MISSING, 42),
    "nics[].mtu": Row(MISSING, 9000),
    "nics[].mac": Row(MISSING, "52:54:00:12:34:56"),
    "nics[].trusted": Row(MISSING, True),
    "ssh_keys": Row(MISSING, [KEY]),
    "firewall": Row(MISSING, {"in": [WEB]}),
    "firewall.groups": Row(MISSING, ["web"]),
    **_rules("in", "from"),
    **_rules("out", "to"),
    "on_poweroff": Row(MISSING, "stop"),
    "nameservers": Row(MISSING, ["192.0.2.53"]),
    "stop_timeout": Row(MISSING, "2min"),
    "ha": Row(True, False),
    "ha.priority": Row(MISSING, 100),
    "ha.max_restart": Row(MISSING, 1),
    "ha.max_relocate": Row(MISSING, 0),
    "placement": Row(MISSING, {"prefer": ["node1"]}),
    "placement.prefer": Row(["node1"], ["node2", "node1"]),
    "placement.apart_from": Row(MISSING, ["proxy"]),
    "placement.together_with": Row(MISSING, ["proxy"]),
}
CHANGES: dict[tuple[str, str], Row] = {
    **{(path, kind): row for path, row in _SAME.items() for kind in BOTH},
    # With the disks of an absent guest, see test_declaration.py; of any other it is refused.
    **{("remove_disks", kind): Row(MISSING, True, "refused", "refused") for kind in BOTH},
    ("kind", "vm"): Row("vm", "container"),
    ("kind", "container"): Row("container", "vm"),
    ("vcpus", "vm"): Row(1, 2, back="restart", beside={"max_vcpus": 2}),
    ("vcpus", "container"): Row(1, 2),
    ("max_vcpus", "vm"): Row(MISSING, 4),
    ("memory", "vm"): Row("512MiB", "1GiB", beside={"max_memory": "1GiB"}),
    ("memory", "container"): Row("256MiB", "1GiB"),
    ("max_memory", "vm"): Row(MISSING, "4GiB"),
    ("cpu", "vm"): Row(MISSING, "EPYC-Rome"),
    ("uuid", "vm"): Row(MISSING, "c0ffee00-0000-4000-8000-000000000001"),
    ("screen", "vm"): Row(MISSING, True),
    ("image", "vm"): Row("tiny", "small"),
    ("disks", "vm"): Row([DISK], [DISK, SMALL]),
    ("disks[].size", "vm"): Row("8GiB", "20GiB", back="refused"),
    ("disks[].image", "vm"): Row("debian-12", "debian-13"),
    ("disks[].pool", "vm"): Row(MISSING, "other"),
    ("disks[].target", "vm"): Row(MISSING, "vdc"),
    ("rootfs", "container"): Row({"image": "debian-13"}, {"image": "debian-12"}),
    ("rootfs.image", "container"): Row("debian-12", "debian-13"),
    ("rootfs.pool", "container"): Row(MISSING, "other"),
    ("rootfs.size", "container"): Row(MISSING, "4GiB"),
    ("privileged", "container"): Row(MISSING, True),
    ("devices", "container"): Row(MISSING, ["/dev/net/tun"]),
    ("mounts", "container"): Row(MISSING, [MOUNT]),
    ("mounts[].source", "container"): Row("/srv/media", "/srv/films", beside={"mounts": [MOUNT]}),
    ("mounts[].target", "container"): Row("/media", "/films", beside={"mounts": [MOUNT]}),
    ("mounts[].read_only", "container"): Row(MISSING, False, beside={"mounts": [MOUNT]}),
    ("migration", "vm"): Row(MISSING, {"bandwidth": "64MiB"}),
    ("migration", "container"): Row(MISSING, {"bandwidth": "64MiB"}, beside=LOCAL),
    ("migration.bandwidth", "vm"): Row(MISSING, "64MiB"),
    ("migration.bandwidth", "container"): Row(MISSING, "64MiB", beside=LOCAL),
    ("migration.timeout", "vm"): Row(MISSING, "10min"),
    ("migration.timeout", "container"): Row(MISSING, "10min", beside=LOCAL),
    ("migration.max_downtime", "vm"): Row(MISSING, "30ms"),
    ("migration.auto_converge", "vm"): Row(MISSING, False),
    ("migration.post_copy", "vm"): Row(MISSING, "fallback"),
    ("migration.channels", "vm"): Row(MISSING, 4),
}
