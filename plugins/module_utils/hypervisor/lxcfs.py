# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lxcfs, by which containers see their own memory and processors in ``/proc`` and ``/sys``.

LXC mounts its files into a container that starts. They end with the lxcfs that they are of: after it was started anew,
:func:`main` mounts those of the new one into the containers that run. Reading them fails for as long as that takes.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..core.wait import WaitTimeout, wait_for
from .lxc_host import LxcError, LxcHost

__all__ = ["main", "places"]

_FOLDER = Path("/var/lib/lxcfs")
_PROCESSORS = "sys/devices/system/cpu"
#: Seconds for lxcfs to come up.
_PATIENCE = 10.0
#: How many lie on one another at most: one for each time that this was interrupted.
_LAYERS = 8

_OPEN_TREE, _MOVE_MOUNT = 428, 429
_AT_FDCWD, _OPEN_TREE_CLONE, _F_EMPTY_PATH, _CLONE_NEWNS = -100, 1, 4, 0x20000
_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8


def main() -> int:
    """Give the containers of this node the files of the lxcfs that has just started."""
    with suppress(WaitTimeout):
        wait_for(_is_up, bool, what="lxcfs", timeout=_PATIENCE, interval=0.1)
    host, failed = LxcHost(), 0
    for name in host.names():
        try:
            init = host.init_pid(name)
        except LxcError:
            continue  # it does not run
        if not _in_a_process_of_its_own(init):
            sys.stderr.write(f"{name} does not see its own memory and processors before its next start\n")
            failed = 1
    return failed


def places(folder: Path = _FOLDER) -> Iterator[tuple[Path, str]]:
    """What lxcfs shows, and where a container has it."""
    for file in sorted((folder / "proc").iterdir()):
        yield file, f"/proc/{file.name}"
    if (folder / _PROCESSORS / "uevent").exists():  # it is whole
        yield folder / _PROCESSORS, f"/{_PROCESSORS}"


def _is_up() -> bool:
    try:
        return bool((_FOLDER / "proc/meminfo").read_bytes())
    except OSError:
        return False


def _in_a_process_of_its_own(init: int) -> bool:
    child = os.fork()
    if child == 0:
        try:
            _give(init)
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _give(init: int) -> None:
    """Mount them in place of what the container has. This process ends up in the container's view of files."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: object) -> int:
        result = libc.syscall(ctypes.c_long(number), *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(result)

    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    mounts = [(call(_OPEN_TREE, _AT_FDCWD, os.fsencode(file), flags), where) for file, where in places()]
    view = os.open(f"/proc/{init}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(view, _CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), f"the container's files: {os.strerror(ctypes.get_errno())}")
    for mount, where in mounts:
        target = where.encode()
        for _ in range(_LAYERS):
            if libc.umount2(target, _MNT_DETACH | _UMOUNT_NOFOLLOW):
                break
        if os.path.lexists(where):
            call(_MOVE_MOUNT, mount, b"", _AT_FDCWD, target, _F_EMPTY_PATH)
