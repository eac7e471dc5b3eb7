# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this node itself uses: processor time, memory, bytes of its disks and network cards, by the kernel's files.

No program is started, and nothing is asked that could be held up. What the kernel does not tell is left out: in a
container, for one, that is disks and network cards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..core.quantities import KIB

__all__ = ["Counters", "of_node"]

#: By what is used: cpu_seconds (of all processors together), cpus (how many there are), load (the average of a minute),
#: memory, memory_total (bytes), read, written, received, sent (bytes).
Counters = dict[str, float]

_PROC, _BLOCK, _NET = Path("/proc"), Path("/sys/block"), Path("/sys/class/net")
#: What counts as busy in /proc/stat, by place: user, nice, system, irq, softirq, steal. Guests are part of user.
_BUSY = (0, 1, 2, 5, 6, 7)
_SECTOR = 512


def of_node(*, proc: Path = _PROC, block: Path = _BLOCK, net: Path = _NET) -> Counters:
    """This node's counters."""
    found: Counters = {}
    for line in _lines(proc / "stat"):
        words = line.split()
        if words[:1] == ["cpu"]:
            ticks = [int(words[1 + place]) for place in _BUSY if len(words) > 1 + place]
            found["cpu_seconds"] = sum(ticks) / os.sysconf("SC_CLK_TCK")
        elif words and words[0].startswith("cpu"):
            found["cpus"] = found.get("cpus", 0) + 1
    for line in _lines(proc / "loadavg"):
        found["load"] = float(line.split()[0])
    sizes = {name: int(rest.split()[0]) * KIB for name, _, rest in _pairs(proc / "meminfo")}
    if {"MemTotal", "MemAvailable"} <= sizes.keys():
        found["memory_total"], found["memory"] = sizes["MemTotal"], sizes["MemTotal"] - sizes["MemAvailable"]
    # What has a device behind it, and no others: the bytes of a bridge, a RAID or a guest's interface pass through
    # those as well, and would count twice.
    for disk in sorted(block.glob("*/device")):
        for line in _lines(disk.parent / "stat"):
            words = line.split()
            _add(found, "read", int(words[2]) * _SECTOR)
            _add(found, "written", int(words[6]) * _SECTOR)
    for card in sorted(net.glob("*/device")):
        for key, file in (("received", "rx_bytes"), ("sent", "tx_bytes")):
            for line in _lines(card.parent / "statistics" / file):
                _add(found, key, int(line))
    return found


def _add(found: Counters, key: str, value: int) -> None:
    found[key] = found.get(key, 0) + value


def _pairs(file: Path) -> Iterator[tuple[str, str, str]]:
    return (line.partition(":") for line in _lines(file) if ":" in line)


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    return []
