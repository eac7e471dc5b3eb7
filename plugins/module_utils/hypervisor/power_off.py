# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a guest ended on this node: whether it was shut down, or whether its process was killed or crashed.

What libvirt and LXC have written of its end tells; where nothing is written, nobody knows, and it was not shut down.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["container_shut_down", "vm_shut_down"]

_LIBVIRT = Path("/var/log/libvirt/qemu")
_LXC = Path("/run/drover/lxc")
#: Bytes at the end of a log, which have the last start and the end.
_TAIL = 65_536
# libvirt ends the process of a VM that has shut itself off, which says who did; "<unknown process>" where it cannot.
_ENDED_BY = re.compile(r"terminating on signal \d+ from pid \d+ \((?P<who>[^)]*)\)")
_LIBVIRTS = ("libvirtd", "virtqemud", "<unknown process>")


def vm_shut_down(name: str, logs: Path = _LIBVIRT) -> bool:
    """Whether the VM that ran last has shut itself off, by libvirt's log of it."""
    last = _tail(logs / f"{name}.log").rpartition(": starting up libvirt version")[2]
    if not last.rpartition("shutting down, reason=")[2].startswith("shutdown"):
        return False
    return all(found["who"].endswith(_LIBVIRTS) for found in _ENDED_BY.finditer(last))


def container_shut_down(name: str, root: Path = _LXC) -> bool:
    """Whether the container that ran last has halted, by LXC's log of it."""
    its = [line for line in _tail(root / name / "log").splitlines() if f'Container "{name}" ' in line]
    ends = [line for line in its if line.endswith(("is halting", "is rebooting", "init exited"))]
    return bool(ends) and ends[-1].endswith("is halting")


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
