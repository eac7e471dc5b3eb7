# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is of a VM's disks that go to another pool, as the cluster, QEMU and the storage have it."""

from __future__ import annotations

from collections.abc import Callable

from ..cluster import disks
from ..cluster.cib import Configuration, read
from ..cluster.guests import guest_of
from ..cluster.objects import Primitive
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.paused import refuse
from ..cluster.status import ClusterStatus
from ..core.node_name import node_name
from ..core.wait import or_last, wait_for
from ..hypervisor.disk_copies import DiskCopies, LiveDisk
from ..hypervisor.libvirt_connection import VmGone
from ..planning.disk_move import Seen, Way
from ..storage.disk_store import DiskStore
from .by_hand import the_guest

__all__ = ["DiskSight"]

_LOOK = 1.0
#: Seconds for the cluster to come to rest with the guest.
_SETTLES = 60.0


class DiskSight:
    """What the cluster, QEMU and the storage have of a guest's disks, as of the last :meth:`renew`."""

    def __init__(self, cluster: Pacemaker, name: str, connect: Callable[[], DiskCopies], store: DiskStore) -> None:
        self._cluster, self._name, self._store = cluster, name, store
        self._connect = connect
        self._host: DiskCopies | None = None
        self.live: Configuration
        self.status: ClusterStatus

    def renew(self) -> None:
        """Look at the cluster. Raises ClusterError for a guest whose disks have to stay where they are for now."""
        name = self._name
        # Once it is told of a disk's new place, the cluster has the guest's agent look at that.
        self.status = or_last(
            lambda: wait_for(
                self._cluster.status,
                lambda seen: not ((its := seen.resource(name)) and its.pending),
                what=f"the end of what the cluster does with {name}",
                timeout=_SETTLES,
                interval=_LOOK,
            )
        )
        self.live, guest = read(self._cluster.query()), self.status.resource(name)
        refuse(self.live.properties)
        if guest is None or not self.status.quorum:
            raise ClusterError(f"the cluster has no quorum, or does not know {name}: see playbooks/status.yml")
        if guest.pending:
            raise ClusterError(
                f"{name} is {guest.word} on {' and '.join(guest.nodes) or 'no node'}: its disks stay where they are "
                "meanwhile",
                remedy="Run this again when that is over: what was begun is carried on.",
            )
        if (guest.active and not guest.running) or name in self.status.notes:
            raise ClusterError(
                f"{name} is {self.status.notes.get(name, guest.word)} on {', '.join(guest.nodes)}: its disks stay "
                "where they are",
                remedy="See playbooks/status.yml, and put that right first.",
            )
        if guest.active and guest.node != node_name():
            raise ClusterError(
                f"{name} runs on {guest.node} by now",
                remedy="Run this again: its disks are moved from where it runs.",
            )

    @property
    def guest(self) -> Primitive:
        return the_guest(self.live, self._name)

    @property
    def runs(self) -> bool:
        guest = self.status.resource(self._name)
        return guest is not None and guest.active

    @property
    def held(self) -> bool:
        """Whether the guest is down, and kept from starting for the sake of its disks."""
        return not self.runs and disks.hold_id(self._name) in self.live.constraints

    @property
    def host(self) -> DiskCopies:
        if self._host is None:
            self._host = self._connect()
        return self._host

    def disks(self) -> dict[str, LiveDisk]:
        """The disks as QEMU has them now. Raises ClusterError when the VM is not here any more."""
        try:
            return self.host.disks(self._name)
        except VmGone as error:
            raise ClusterError(
                f"{self._name} has ended or left this node while its disks were moved: they are where they were",
                remedy="Run this again: what was begun is carried on.",
            ) from error

    def of(self, way: Way) -> Seen:
        """What there is of one disk."""
        told = {disk["target"]: disk["source"]["path"] for disk in (guest_of(self.guest) or {}).get("disks") or ()}
        disk = self.disks().get(way.target, LiveDisk(None)) if self.runs else LiveDisk(None)
        begun = disks.record_of(self.guest).get(way.target)
        return Seen(
            told=str(told.get(way.target)),
            begun=begun is not None and begun["to"].get("path") == way.ends[1],
            runs=self.runs,
            live=disk.path,
            copy=disk.copy,
            ready=disk.ready,
            held=self.held,
            there=frozenset(path for path in way.ends if self._store.there(path)),
        )
