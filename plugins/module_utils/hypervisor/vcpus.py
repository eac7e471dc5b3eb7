# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The virtual processors that a VM makes use of. One that was added while the VM runs may be there and stay idle for
ever: its system has to bring it online, and nobody but that system says whether it did. A processor that is offline
never runs, which the times of QEMU's threads show."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["in_use"]

#: How QEMU names the thread of a processor, under libvirt.
_THREAD = re.compile(r"CPU \d+/(KVM|TCG)\s*")
#: Nanoseconds: to bring a processor online takes several times that, to wait for that next to nothing.
_USED = 1_000_000


def in_use(pid: int, proc: Path = Path("/proc")) -> int | None:
    """How many of its virtual processors the VM of a QEMU process has ever used; None where that cannot be told."""
    used = seen = 0
    try:
        for thread in (proc / str(pid) / "task").iterdir():
            if _THREAD.fullmatch((thread / "comm").read_text(encoding="utf-8")):
                seen += 1
                used += int((thread / "schedstat").read_text(encoding="ascii").split()[0]) > _USED
    except (OSError, ValueError, IndexError):
        return None
    return used if seen else None
