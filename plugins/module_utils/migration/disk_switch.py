# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The moment in which a running VM goes on with the copy of its disk, and the cluster with it.

A VM that wrote to the new volume while the cluster still named the old one would lose those writes with its node. So it
is held from before QEMU changes over until the cluster has been told: at every moment, the volume that the cluster
names has all that the VM was told to be on its disk. Should whoever does this die in between, the VM's monitor goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..cluster import disks
from ..cluster.cib import read
from ..cluster.objects import Wanted
from ..cluster.pacemaker import Applied, ClusterError, Pacemaker
from ..core.errors import DroverError
from ..core.lock import LOCKS, locked
from ..core.node_name import node_name
from ..core.wait import WaitTimeout
from ..hypervisor.disk_copies import DiskCopies, live_disks
from ..hypervisor.libvirt_connection import HostError, LibvirtUnreachable
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.vm_state import State
from . import disk_notes

__all__ = ["NotSwitched", "settle", "stand_back", "switch"]

#: Seconds for which whoever holds a VM tries to tell the cluster, before it leaves that to the VM's monitor.
_TELLING = 30.0
#: Seconds for the end of a change-over that another process is at.
_PATIENCE = 45.0


class NotSwitched(DroverError):
    """The VM goes on with the disk it had, or is held until the cluster can be told. The text says which."""


def switch(
    cluster: Pacemaker,
    host: DiskCopies,
    name: str,
    target: str,
    goal: Mapping[str, Any],
    guard: Callable[[Applied[Wanted]], None],
) -> float:
    """Have the VM and the cluster go on with the copy at ``goal``; returns the seconds for which the VM was held.

    Raises NotSwitched, and ClusterError when ``guard`` or the cluster refuse it beforehand.
    """

    def wanted(cib: str) -> Wanted:
        return disks.told(read(cib), name, target, goal, node_name())

    with _alone(name, _PATIENCE):
        if (seen := host.seen(name)).state is not State.RUNNING:
            raise NotSwitched(f"{name} goes on with the disk it had: it {seen.predicate}")
        # What the cluster would do because of it takes a while to find out, so that comes before.
        cluster.apply(wanted, check=True, guard=guard)
        disk_notes.note_hold(name, target, goal)
        since = time.monotonic()
        host.suspend(name)
        try:
            host.pivot(name, target)
        except LibvirtUnreachable as error:
            raise NotSwitched(f"{name} is held until libvirt answers again: {error}") from error
        except HostError as error:
            if host.disks(name)[target].path != goal["path"]:
                host.resume(name)
                disk_notes.forget(name)
                raise NotSwitched(f"{name} goes on with the disk it had: {error}") from error
        _tell(cluster, wanted, name)
        host.resume(name)
        disk_notes.forget(name)
        return time.monotonic() - since


def _tell(cluster: Pacemaker, wanted: Callable[[str], Wanted], name: str) -> None:
    until = time.monotonic() + _TELLING
    while True:
        try:
            cluster.apply(wanted, check=False, predict=False)
        except ClusterError as error:
            if time.monotonic() > until:
                raise NotSwitched(
                    f"{name} is held, for the cluster cannot be told where its disk is: {error}",
                    remedy="Its monitor tries again and lets it go on then; playbooks/status.yml shows the cluster.",
                ) from error
            time.sleep(1.0)
        else:
            return


def settle(name: str, host: LibvirtHost, cluster: Callable[[], Pacemaker] = Pacemaker) -> str:
    """Let a VM go on that is held for a change-over whose process has died, once the cluster knows where its disk is.

    Returns what was done, in words; empty when there was nothing. Raises ClusterError while the cluster cannot be told.
    """
    if not disk_notes.held(name):
        return ""
    try:
        with _alone(name, 0.0):
            return _let_go(name, host, cluster)
    except WaitTimeout:  # it is under way
        return ""


def stand_back(name: str, host: LibvirtHost, cluster: Callable[[], Pacemaker] = Pacemaker) -> list[str]:
    """Give up the copies that are being made of a VM's disks: it is about to leave, and cannot with them.

    Returns the disks, by target. Raises HostError, ClusterError, and WaitTimeout when a change-over does not end.
    """
    if not (disk_notes.copying(name) or disk_notes.held(name)):
        return []
    with _alone(name, _PATIENCE):
        _let_go(name, host, cluster)
        copied = [target for target, disk in live_disks(host.live_xml(name)).items() if disk.copy is not None]
        for target in copied:
            host.forget_copy(name, target)
    return copied


def _let_go(name: str, host: LibvirtHost, cluster: Callable[[], Pacemaker]) -> str:
    """What :func:`settle` does, while nobody else is at it."""
    note = disk_notes.told(name)
    if note is None:
        return ""
    target, goal = note
    disk = live_disks(host.live_xml(name)).get(target)
    changed = disk is not None and disk.path == goal["path"]
    if changed:
        cluster().apply(lambda cib: disks.told(read(cib), name, target, goal, node_name()), check=False, predict=False)
    if (seen := host.seen(name)).state is State.PAUSED and seen.reason == "user":
        host.resume(name)
    disk_notes.forget(name)
    return f"whoever moved its disk {target} is dead: it goes on with {'the new' if changed else 'the old'} one"


@contextmanager
def _alone(name: str, patience: float) -> Iterator[None]:
    with locked(LOCKS / f"switch-{name}", patience, what=f"the end of the change-over of a disk of {name}"):
        yield
