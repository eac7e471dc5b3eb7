# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM that QEMU has paused because its storage is full: kept as it is, told of, and let go on once there is room.

QEMU pauses a VM in the middle of a write that finds no room (``werror=enospc``), so that nothing is lost. To restart it
would lose what it holds in memory, and it would come to the same full storage.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.quantities import MIB
from . import glance, ocf
from .ocf import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..guest.definition import Definition
    from ..hypervisor.libvirt_host import LibvirtHost
    from ..hypervisor.vm_state import Seen

__all__ = ["tell_no_more", "wait_for_room"]

#: Where this node keeps what it has told the cluster of its VMs, a file for each.
_TOLD = Path("/run/drover/notes")
#: Bytes that have to be free before a VM goes on: with less, it would only be paused again.
_ROOM = 64 * MIB


def wait_for_room(request: Request, host: LibvirtHost, seen: Seen) -> None:
    """Let a VM go on that waits for room, if there is some now; else tell the cluster what it waits for."""
    name = request.instance
    if not seen.full:
        tell_no_more(name)
        return
    glance.unsettle(name)  # once it goes on, it looks as if it had never been paused
    full = _full(request.definition())
    if full:
        _tell(name, f"paused until there is room on {' and '.join(full)}")
    else:
        ocf.info(f"{name} goes on: there is room again on its storage")
        host.resume(name)


def tell_no_more(name: str) -> None:
    """Take back what the cluster was told of the VM, if anything was."""
    told = _TOLD / name
    if told.exists():
        from ..cluster.pacemaker import Pacemaker

        Pacemaker().note(name, None)
        told.unlink()


def _tell(name: str, what: str) -> None:
    ocf.warning(f"{name} is {what}")
    told = _TOLD / name
    if not told.exists() or told.read_text(encoding="utf-8") != what:
        from ..cluster.pacemaker import Pacemaker

        Pacemaker().note(name, what)
        _TOLD.mkdir(mode=0o700, parents=True, exist_ok=True)
        told.write_text(what, encoding="utf-8")


def _full(definition: Definition) -> list[str]:
    """The folders of the VM's disks on whose file system there is no room."""
    folders = {os.path.dirname(disk["source"]["path"]) for disk in definition["disks"] if _counted(disk)}
    return sorted(folder for folder in folders if _free(folder) < _ROOM)


def _counted(disk: Mapping[str, Any]) -> bool:
    """Whether a disk can run out of room on a file system of this node's: an image in Ceph waits by itself."""
    return not disk["readonly"] and disk["source"]["type"] == "file"


def _free(folder: str) -> int:
    try:
        room = os.statvfs(folder)
    except OSError:
        return 0
    return room.f_bavail * room.f_frsize
