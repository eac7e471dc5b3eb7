# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An agent's way in, and the cheap answer to most monitors: the guest that was in order is still the same process.

A node with hundreds of guests is asked dozens of times a second whether they run. To ask libvirt or LXC, and to load
what that takes, costs many times what Python itself does. So a monitor that has looked at everything (the agents'
``monitor``) leaves a mark with the guest's process, and those after it look only whether that process lives, whether
libvirt's own record of a VM says that it is running, whether a move of the guest has begun or ended here, and whether
anybody has touched the packet filter. Whatever else they see is left to the whole monitor, which comes anyway as soon
as the mark is old.

Nothing is imported here that costs more than a millisecond.
"""

from __future__ import annotations

import os
import sys
import time

from ..core.processes import born, lives
from ..hypervisor.ruleset_generation import undisturbed

__all__ = ["all_well", "claim", "claimed", "disclaim", "main", "marked", "notice", "unsettle"]

MARKS = "/run/drover/monitored"
#: Marks of guests whose end the watcher (watch.py) tells the cluster of.
ENDS = "/run/drover/ends"
MOVES = "/run/drover/moves"
LIBVIRT = "/run/libvirt/qemu"
#: Seconds after which everything is looked at again.
TRUSTED = 120.0
#: Seconds that the watcher has for telling the cluster.
TELLING = 5.0


def main(kind: str) -> int:
    """Answer Pacemaker's call of the agent for this kind of guest."""
    if len(sys.argv) > 1 and sys.argv[1] == "monitor" and all_well(kind, os.environ):
        return 0
    if sys.argv[1:] == ["meta-data"]:
        # Pacemaker asks for it before every start.
        from .metadata import GUESTS

        sys.stdout.write(GUESTS[kind].xml())
        return 0
    # Python was started without it, which is a quarter of what it takes to start; libvirt's binding is found by it.
    import site

    site.main()
    if kind == "vm":
        from .vm import main as answer
    else:
        from .container import main as answer
    return answer()


def all_well(kind: str, environ: os._Environ[str] | dict[str, str]) -> bool:
    """Whether the guest of a recurring monitor runs as it did when everything was looked at. False: look at it all."""
    name = environ.get("OCF_RESOURCE_INSTANCE", "").partition(":")[0]
    # Without an interval it is a probe: somebody wants to know anew.
    if not name or "/" in name or environ.get("OCF_RESKEY_CRM_meta_interval", "0") == "0":
        return False
    try:
        mark = f"{MARKS}/{name}"
        if not 0 <= time.time() - os.stat(mark).st_mtime < TRUSTED:
            return False
        pid, when, *lease = _read(mark).decode().split()
        if not lives(int(pid), int(when)) or os.path.exists(f"{MOVES}/{name}.json"):
            return False
        if os.path.exists(f"{MOVES}/arrived/{name}.json") or not undisturbed():
            return False
        if kind == "vm" and not _is_running(name, int(pid)):
            return False
        if lease:
            _renew(lease[0], mark)
        return True
    except (OSError, ValueError):
        return False


def notice(name: str, pid: int, lease: str = "") -> None:
    """Say that the guest runs as this process, and that everything about it is in order. Never fails.

    ``lease`` is the file by which others see that a container on shared storage runs (storage/lease.py).
    """
    draft = f"{MARKS}/.{name}.{os.getpid()}"
    try:
        os.makedirs(MARKS, mode=0o700, exist_ok=True)
        with open(draft, "w", encoding="ascii") as file:
            file.write(f"{pid} {born(pid)} {lease}\n")
        os.replace(draft, f"{MARKS}/{name}")
    except OSError:
        unsettle(name)


def unsettle(name: str) -> None:
    """Have the next monitor of the guest look at everything. Never fails."""
    try:
        os.unlink(f"{MARKS}/{name}")
    except OSError:
        return


def marked(name: str) -> tuple[int, int] | None:
    """The process as which the guest has been seen in order, and when that began; None without such a mark."""
    try:
        pid, when, *_lease = _read(f"{MARKS}/{name}").split()
        return int(pid), int(when)
    except (OSError, ValueError):
        return None


def claim(name: str, pid: int, when: int) -> bool:
    """Take the mark away of a guest that has ended as this process, so as to tell the cluster.

    Only one can: an agent that stops or moves a guest, or finds it gone, takes the mark as well. False: it has.
    """
    try:
        os.makedirs(ENDS, mode=0o700, exist_ok=True)
        os.rename(f"{MARKS}/{name}", f"{ENDS}/{name}")
        if _read(f"{ENDS}/{name}").split()[:2] == [b"%d" % pid, b"%d" % when]:
            return True
        # It runs as another process by now.
        os.rename(f"{ENDS}/{name}", f"{MARKS}/{name}")
    except OSError:
        pass
    return False


def claimed(name: str) -> bool:
    """Whether the cluster is being told of the guest's end, or just was."""
    try:
        # A rename changes the file's own times.
        return 0 <= time.time() - os.stat(f"{ENDS}/{name}").st_ctime < TELLING
    except OSError:
        return False


def disclaim(name: str) -> None:
    """Leave it to the guest's monitor what has become of it. Never fails."""
    try:
        os.unlink(f"{ENDS}/{name}")
    except OSError:
        return


def _renew(lease: str, mark: str) -> None:
    """Renew a lease in a process that nobody waits for: storage that is away for a while makes no monitor late."""
    if os.fork():
        return
    try:
        for number in range(3):
            os.close(number)
        import fcntl

        opened = os.open(mark, os.O_RDONLY)
        # One at a time, however long the storage is away.
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.utime(lease)
    finally:
        os._exit(0)


def _is_running(name: str, pid: int) -> bool:
    """Whether libvirt's record of a VM says that it is running, as this process, and neither migrates nor backs up."""
    if int(_read(f"{LIBVIRT}/{name}.pid")) != pid:
        return False
    status = _read(f"{LIBVIRT}/{name}.xml")
    begin, end = status.find(b"<domstatus state='running' "), status.find(b"<domain ")
    # There is a <job> only while there is one.
    job = status.find(b"<job ", begin, end)
    idle = job < 0 or b" async='none'" in status[job : status.index(b">", job)]
    return 0 <= begin < end and idle and b"<blockjobs active='yes'" not in status[begin:end]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
