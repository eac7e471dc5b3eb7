# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of the played cluster: how loaded its nodes and guests are, and what its nodes are made of."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.steward.trouble import Trouble, unknown

__all__ = ["Loaded", "of_guest", "of_node"]

MIB, GIB = 1 << 20, 1 << 30
_STEP, _MOST = 15, 240
NODES = ("node1", "node2", "node3")


def _wave(name: str, age: float, low: float, high: float, minutes: float = 17.0) -> float:
    """A value that goes up and down, with some noise that is the same each time."""
    phase = zlib.crc32(name.encode()) % 100 / 16
    noise = zlib.crc32(f"{name}{age}".encode()) % 1000 / 1000
    share = 0.5 + 0.32 * math.sin(age / 60 / minutes * 2 * math.pi + phase) + 0.18 * (noise - 0.5)
    return low + (high - low) * share


def of_node(name: str, age: float = 0) -> dict[str, float]:
    """How loaded a node was so many seconds ago."""
    busy = round(_wave(name, age, 1.0, 9.0), 3)
    memory = round(_wave(f"{name} memory", age, 7.2, 11.5, 120) * GIB)
    return {
        "cpu": busy, "cpus": 16, "load": round(busy * 1.1, 2), "memory": memory, "memory_total": 22 * GIB,
        **_bytes(name, age),
    }  # fmt: skip


def of_guest(guest: dict[str, Any], age: float = 0) -> dict[str, float]:
    """How loaded a guest was so many seconds ago."""
    name, vcpus = guest["name"], guest["vcpus"]
    memory = round(guest["memory"] * _wave(f"{name} memory", age, 0.55, 0.8, 90))
    return {"cpu": round(_wave(name, age, 0.02, 0.7) * vcpus, 3), "memory": memory, **_bytes(name, age)}


def _bytes(name: str, age: float) -> dict[str, float]:
    most = {"read": 4 * MIB, "written": 9 * MIB, "received": 3 * MIB, "sent": 12 * MIB}
    return {what: round(_wave(f"{name} {what}", age, 0, high, 9)) for what, high in most.items()}


class Loaded:
    """The verbs about loads and hardware. ``loads`` are told at all; node3's hardware is that of a container."""

    quorum: bool
    _named: Callable[[str], dict[str, Any]]

    def _reachable(self, name: str) -> None:
        if name not in NODES:
            raise unknown(f"there is no node {name}", "GET /cluster shows those there are.")
        if not self.quorum and name != "node2":
            cause = f"{name} is not online, so nobody can ask it"
            raise Trouble("node_away", 503, cause, remedy="Look again when it is back.")

    def _node_load(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        self._reachable(given["node"])
        return {"load": {"node": given["node"], **_columns(lambda age: of_node(given["node"], age))}}

    def _guest_load(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        guest = self._named(given["guest"])
        if guest["node"] is None:
            return {"load": {"guest": guest["name"], "missing": [], "node": [], "at": []}}
        columns = _columns(lambda age: of_guest(guest, age))
        # It came from elsewhere.
        on = [guest["node"] if number > 100 else "node1" for number in range(len(columns["at"]))]
        return {"load": {"guest": guest["name"], "missing": [], "node": on, **columns}}

    def _hardware(self, given: dict[str, Any], _role: object) -> dict[str, Any]:
        name = given["node"]
        self._reachable(name)
        software = {
            "system": "Debian GNU/Linux 13 (trixie)", "release": "13.2", "kernel": "6.12.57+deb13-amd64",
            "architecture": "x86_64", "accelerator": "kvm",
            "versions": {"libvirt": "11.3.0-3", "QEMU": "1:10.0.6+ds-0+deb13u2", "LXC": "1:6.0.4-4",
                         "Pacemaker": "3.0.0-2", "Corosync": "3.1.9-2"},
        }  # fmt: skip
        if name == "node3":
            less = {name: software[name] for name in ("system", "kernel", "architecture")}
            known = {"system": {}, "processor": {"threads": 16}, "memory": 22 * GIB, "disks": [], "cards": []}
            return {"hardware": {"node": name, **known, "software": less}}
        return {
            "hardware": {
                "node": name,
                "system": {"model": "Dell Inc. PowerEdge R640", "board": "Dell Inc. 0H28RR", "boot": "UEFI",
                           "firmware": "Dell Inc. 2.21.2", "firmware_date": "02/19/2024"},
                "processor": {"model": "Intel(R) Xeon(R) Silver 4110 CPU @ 2.10GHz", "sockets": 1, "cores": 8,
                              "threads": 16, "numa": 1, "virtualisation": "VT-x"},
                "memory": 22 * GIB,
                "disks": [
                    {"name": "nvme0n1", "model": "SAMSUNG MZQL21T9HCJR-00A07", "size": 1920383410176, "kind": "NVMe"},
                    {"name": "sda", "model": "ST4000NM0035-1V4107", "size": 4000787030016, "kind": "HDD"},
                ],
                "cards": [
                    {"name": "eno1", "driver": "ixgbe", "speed": 10_000_000_000, "state": "up"},
                    {"name": "eno2", "driver": "ixgbe", "state": "down"},
                ],
                "software": software,
            }
        }  # fmt: skip


def _columns(of: Callable[[float], dict[str, float]]) -> dict[str, list[Any]]:
    ages = [age for age in range((_MOST - 1) * _STEP, -1, -_STEP) if not 1200 < age < 1320]
    rows = [of(age) for age in ages]
    now = datetime.now(UTC)
    at = [(now - timedelta(seconds=age)).isoformat(timespec="milliseconds").replace("+00:00", "Z") for age in ages]
    return {"at": at, **{name: [row[name] for row in rows] for name in rows[0]}}
