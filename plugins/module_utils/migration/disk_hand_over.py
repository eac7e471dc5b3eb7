# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The local disks of a migrating VM, at its source: which node the cluster is told has their data, and which remain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.errors import DroverError
from ..hypervisor.libvirt_host import LibvirtHost
from ..peer.channel import PeerError
from ..storage.pool_mark import PoolError
from .disk_mirror import Mirror, local_disks

__all__ = ["DiskHandOver", "DisksStay"]


class DisksStay(DroverError):
    """The VM's disks cannot be taken along. The text says why."""


class DiskHandOver:
    """One migration's disks, if the VM has any of its node's own. ``say`` takes a word for the record."""

    def __init__(self, definition: Mapping[str, Any], source: str, target: str, say: Callable[[str], None]) -> None:
        self._definition, self._source, self._target, self._say = definition, source, target, say
        self._mirror: Mirror | None = None
        self._handed_over = False

    @property
    def targets(self) -> Sequence[str]:
        """The disks that QEMU mirrors, as it knows them: vda, vdb."""
        return self._mirror.targets if self._mirror else ()

    @property
    def taken_along(self) -> bool:
        return self._mirror is not None

    def take_along(self, host: LibvirtHost) -> None:
        """Have the target make disks to fill. Raises DisksStay."""
        disks = local_disks(self._definition)
        if not disks:
            return
        sizes = host.disk_sizes(str(self._definition["name"]), [disk["target"] for disk in disks])
        if waiting := [disk["target"] for disk in disks if disk["target"] not in sizes]:
            raise DisksStay(
                f"its disk {' and '.join(waiting)} on local storage was declared while it ran and is still to be "
                "attached, so it would be left behind: run playbooks/guests.yml, permit a restart if it asks"
            )
        try:
            self._mirror = Mirror(self._definition, self._target, sizes)
        except (PeerError, PoolError, OSError) as error:
            raise DisksStay(f"{self._target}: {error}") from error

    def stopped(self) -> None:
        """The VM has stopped here: it is the target's disks that have what it wrote last."""
        if self._mirror is not None:
            self._handed_over = True
            self._hand_over(self._source, self._target)

    def settle(self, *, moved: bool, doubtful: bool) -> None:
        """The migration is over: leave the VM the disks where it runs, and remove the others."""
        if self._mirror is None:
            return
        if moved:
            # The daemon may have died before it could tell of the stop. Where nobody knows, half a disk is no data.
            if not self._handed_over and not doubtful:
                self._hand_over(self._source, self._target)
            self._mirror.keep()
            return
        if self._handed_over:
            self._hand_over(self._target, self._source)
        self._mirror.drop()

    def _hand_over(self, source: str, target: str) -> None:
        try:
            Pacemaker().hand_over(str(self._definition["name"]), source, target)
        except ClusterError as error:
            # Whoever looks next where it runs says so.
            self._say(f"the cluster still has its data on {source} ({error})")
