# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How fast the wire to another node is, and what of it one of several migrations may use."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from .command import CommandError, Runner, run
from .units import MIB

__all__ = ["ONE_CHANNEL", "channels", "share", "speed"]

_NET = Path("/sys/class/net")
#: The part of the wire that migrations may fill: the cluster's own messages must get through.
_FOR_MIGRATIONS = 0.8
_MEGABIT = 1_000_000 // 8
#: Bytes a second that one processor encrypts of a VM's memory, page by page, as QEMU does it (measured in the lab).
ONE_CHANNEL = 200 * MIB


def speed(node: str, runner: Runner = run, net: Path = _NET) -> int | None:
    """Bytes a second to a node, by what the interface towards it says of itself; None when that says nothing."""
    try:
        address = socket.getaddrinfo(node, None)[0][4][0]
        [route] = json.loads(runner(["ip", "-json", "route", "get", str(address)]).stdout)
    except (OSError, CommandError, ValueError):
        return None
    megabits = _megabits(net / str(route.get("dev")))
    return megabits * _MEGABIT if megabits > 0 else None


def share(wire: int | None, allowed: int | None, moves: int) -> int | None:
    """Bytes a second for one of so many migrations over a wire. ``allowed`` is the guest's own limit."""
    fair = None if wire is None else max(MIB, int(wire * _FOR_MIGRATIONS) // max(1, moves))
    return min((limit for limit in (fair, allowed) if limit is not None), default=None)


def channels(most: int, bandwidth: int | None) -> int:
    """Connections for a migration that may use so many bytes a second, None for any: ``most``, but none that idles.

    One that has several must have no limit. When the target dies while QEMU (10.0) waits to keep within a limit,
    libvirt switches parallel channels off before QEMU has ended those that it has, and then QEMU ends itself
    (yank_unregister_instance), and the VM with it: in 10 of 46 trials at 24 MiB/s, in none without a limit.
    """
    return most if bandwidth is None else max(1, min(most, bandwidth // ONE_CHANNEL))


def _megabits(device: Path) -> int:
    ports = device / "brif"
    if ports.is_dir():
        # A bridge is as fast as its way out; its other ports are guests.
        return max(
            (_megabits(port / "..") for port in ports.iterdir() if not (port / "../tun_flags").exists()), default=0
        )
    try:
        return int((device / "speed").read_text())
    except (OSError, ValueError):
        return 0
