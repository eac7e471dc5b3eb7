# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's interface as its node has it: a tap device, most often the port of a bridge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["close", "counters", "number", "open_up", "speaks"]

_NET = Path("/sys/class/net")
_FLOODS = ("unicast_flood", "multicast_flood", "broadcast_flood")


def counters(name: str) -> tuple[int, int]:
    """Frames that the VM took out of the device, and frames that the device dropped. Raises OSError."""
    statistics = _NET / name / "statistics"
    return int((statistics / "tx_packets").read_text()), int((statistics / "tx_dropped").read_text())


def number(name: str) -> int | None:
    """The kernel's number for the device; None when there is none of that name on this node."""
    try:
        return int((_NET / name / "ifindex").read_text())
    except OSError:
        return None


def speaks(name: str) -> bool:
    """Whether the VM, or QEMU for it, has sent anything through the device yet."""
    try:
        return int((_NET / name / "statistics" / "rx_packets").read_text()) > 0
    except OSError:
        return False


def close(name: str) -> bool:
    """Let the bridge send nothing to the interface but what is addressed to it. False while there is no such port."""
    return _flood(name, "0")


def open_up(names: Sequence[str]) -> list[str]:
    """Let the interfaces hear everything again. Returns those that did not."""
    deaf = [name for name in names if any(_flag(name, flag) == "0" for flag in _FLOODS)]
    for name in deaf:
        _flood(name, "1")
    return deaf


def _flag(name: str, flag: str) -> str:
    try:
        return (_NET / name / "brport" / flag).read_text().strip()
    except OSError:
        return ""


def _flood(name: str, value: str) -> bool:
    try:
        for flag in _FLOODS:
            (_NET / name / "brport" / flag).write_text(value)
    except OSError:
        return False
    return True
