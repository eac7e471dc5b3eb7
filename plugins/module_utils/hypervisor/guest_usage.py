# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the guests of this node use: processor time, memory, bytes read, written, received and sent.

Of VMs libvirt tells without asking QEMU (VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT): a migration holds up no such
question, and it holds up no migration. Of containers the kernel's files tell (cgroup v2). No program is started. What
nobody knows at the moment is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.quantities import KIB
from .libvirt_connection import LibvirtConnection

__all__ = ["LibvirtUsage", "Usage", "of_container", "of_domain"]

#: By what is used: cpu_seconds, memory (bytes), read, written, received, sent (bytes).
Usage = dict[str, float]

_CONFIGS, _CGROUPS = Path("/run/drover/lxc"), Path("/sys/fs/cgroup")
_PROC, _NET = Path("/proc"), Path("/sys/class/net")


class LibvirtUsage(LibvirtConnection):
    """The VMs that run here, as libvirt knows them."""

    def usage(self) -> dict[str, Usage]:
        """What each VM uses, by name. Raises HostError."""
        found = self._libvirt
        what = ("STATE", "CPU_TOTAL", "BALLOON", "INTERFACE", "BLOCK")
        stats = sum(getattr(found, f"VIR_DOMAIN_STATS_{name}") for name in what)
        flags = found.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | found.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        with self._errors():
            return {domain.name(): of_domain(said) for domain, said in self._connection.getAllDomainStats(stats, flags)}


def of_domain(said: Mapping[str, Any]) -> Usage:
    """What a VM uses, from libvirt's statistics of it."""

    def total(group: str, name: str) -> float | None:
        count = int(said.get(f"{group}.count", 0))
        values = [said.get(f"{group}.{number}.{name}") for number in range(count)]
        return sum(value for value in values if value is not None) if any(v is not None for v in values) else None

    cpu, memory = said.get("cpu.time"), said.get("balloon.rss")
    known = {
        "cpu_seconds": None if cpu is None else cpu / 1e9,
        "memory": None if memory is None else memory * KIB,
        "read": total("block", "rd.bytes"),
        "written": total("block", "wr.bytes"),
        "received": total("net", "rx.bytes"),
        "sent": total("net", "tx.bytes"),
    }
    return {name: value for name, value in known.items() if value is not None}


def of_container(
    name: str,
    pid: int | None,
    *,
    configs: Path = _CONFIGS,
    cgroups: Path = _CGROUPS,
    proc: Path = _PROC,
    net: Path = _NET,
) -> Usage:
    """What a container uses. ``pid`` is its init's, which tells its cgroup; None where nobody knows that."""
    folder = _cgroup(name, pid, cgroups, proc)
    found: Usage = {}
    for line in _lines(folder / "cpu.stat"):
        key, _, value = line.partition(" ")
        if key == "usage_usec":
            found["cpu_seconds"] = int(value) / 1e6
    for line in _lines(folder / "memory.current"):
        found["memory"] = int(line)
    for line in _lines(folder / "io.stat"):
        pairs = dict(pair.split("=", 1) for pair in line.split()[1:] if "=" in pair)
        for key, word in (("read", "rbytes"), ("written", "wbytes")):
            found[key] = found.get(key, 0) + int(pairs.get(word, 0))
    for interface in _interfaces(configs / name / "config"):
        # The node's side: what it receives, the container has sent.
        for key, word in (("received", "tx_bytes"), ("sent", "rx_bytes")):
            for line in _lines(net / interface / "statistics" / word):
                found[key] = found.get(key, 0) + int(line)
    return found


def _cgroup(name: str, pid: int | None, cgroups: Path, proc: Path) -> Path:
    """The folder of a container's cgroup, which LXC calls after it; what runs in the container has others below."""
    usual = f"lxc.payload.{name}"
    for line in _lines(proc / str(pid) / "cgroup") if pid else ():
        parts = line.rpartition("::")[2].strip("/").split("/")
        if line.startswith("0::") and usual in parts:
            return cgroups.joinpath(*parts[: parts.index(usual) + 1])
    return cgroups / usual


def _interfaces(config: Path) -> Iterator[str]:
    for line in _lines(config):
        key, _, value = line.partition(" = ")
        if key.startswith("lxc.net.") and key.endswith(".veth.pair") and "/" not in value:
            yield value


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    return []
