# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How fast the network link to another node is, by what this node's interfaces say of themselves."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from ..core.command import CommandError, Runner, run

__all__ = ["speed"]

_NET = Path("/sys/class/net")
_MEGABIT = 1_000_000 // 8


def speed(node: str, runner: Runner = run, net: Path = _NET) -> int | None:
    """Bytes a second to a node, by what the interface towards it says of itself; None when that says nothing."""
    try:
        address = socket.getaddrinfo(node, None)[0][4][0]
        [route] = json.loads(runner(["ip", "-json", "route", "get", str(address)]).stdout)
    except (OSError, CommandError, ValueError):
        return None
    megabits = _megabits(net / str(route.get("dev")))
    return megabits * _MEGABIT if megabits > 0 else None


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
