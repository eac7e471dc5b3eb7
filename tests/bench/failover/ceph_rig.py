# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rig of a bench of failover on Ceph: the lab's two guests on the node that serves the file system, and writers."""

from __future__ import annotations

from ansible_collections.cspp.drover.plugins.module_utils.ceph.health import judge
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.drill.clients import Service
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround

from ...verify.ceph.asking import ceph
from ...verify.ceph.writers import Writers
from ...verify.lab import SERVICE, Lab, address
from ...verify.plays import succeed, variable
from .figures import Record
from .power_cut import Subject, cut

__all__ = ["CephRig"]

#: Seconds for which a survivor writes, from before the cut until well after; and until Ceph is whole.
_WRITING, _WHOLE = 60.0, 240.0


class CephRig:
    """A lab with Ceph and the guests that its inventory declares. ``profile`` is the cluster's timing."""

    def __init__(self, lab: Lab, profile: str) -> None:
        self.lab, self._profile = lab, profile
        self.ground = LabGround(lab.folder)
        self.subjects = []
        for name, guest in variable("guests").items():
            port, greeting = SERVICE[guest["kind"]]
            self.subjects.append(Subject("drover", guest["kind"], name, Service(address(guest), port, greeting)))

    def cut(self) -> list[Record]:
        """Cut the power of the node that serves the file system, with the guests on it, while another node writes.

        A record for each guest, and for each writer: its ``stall`` in seconds and how many records it ``lost``.
        """
        [victim] = [entry["name"] for entry in ceph(self.lab, "status")["fsmap"]["by_rank"]]
        survivor = next(name for name in self.lab.nodes if name != victim)
        for subject in self.subjects:
            if self.lab.where(subject.name) != victim:
                succeed("migrate", cluster_timing=self._profile, guest=subject.name, to=victim)
        writers = Writers(self.lab, survivor, _WRITING)
        records = cut(self.ground, victim, self.subjects)
        written = writers.results()
        self._wait_until_whole(survivor)
        at = records[0]["at"]
        return records + [
            {"way": "drover", "kind": kind, "node": victim, "at": at, "stall": found["longest"], "lost": found["lost"]}
            for kind, found in written.items()
        ]

    def _wait_until_whole(self, survivor: str) -> None:
        wait_for(
            lambda: judge(ceph(self.lab, "status", node=survivor), osds=3, monitors=3, cephfs=["roots"]).troubles,
            lambda troubles: not troubles,
            what="a whole Ceph",
            timeout=_WHOLE,
            interval=2,
        )
