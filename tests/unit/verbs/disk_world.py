# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster with one VM that writes all the while, and whoever moves its disks may be killed at each change he makes.

After every change the world looks whether the volume that the cluster names holds all that the VM was told to be on its
disk: if the node's power went away in that moment, that is what the VM would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster import disks
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.guests import guest_of, guest_primitive
from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.prediction import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.disk_copies import LiveDisk
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.vm_state import Seen, State
from ansible_collections.cspp.drover.tests.unit.cluster_samples import definition, guest, status

NODE = "n1"
EMPTY = (
    '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/><nodes>'
    '<node id="1" uname="n1"/><node id="2" uname="n2"/><node id="3" uname="n3"/></nodes>'
    "<resources/><constraints/></configuration><status/></cib>"
)


class Killed(BaseException):
    """Whoever is at work is dead: nothing of what it would do on an error is done."""


def source(path: str, *, shared: bool = True) -> dict[str, Any]:
    kind = {"type": "rbd", "format": "raw"} if path.startswith("rbd:") else {"type": "file", "format": "qcow2"}
    return {**kind, "path": path, **({} if shared else {"shared": False})}


def having(path: str, seed: str, *, shared: bool = True) -> dict[str, Any]:
    """The VM with its disk and its seed there."""
    disk = {"target": "vda", "source": source(path, shared=shared), "size": 8, "image": None, "readonly": False}
    seeds = {"target": "vdz", "source": {**source(seed, shared=shared), "format": "raw"}, "readonly": True}
    return definition("mc", disks=[disk, seeds], nics=[])


class World:
    """Everything there is, also what stands for QEMU and for the storage. ``kill_at`` counts changes, from 0."""

    def __init__(self, start: Mapping[str, Any], *, runs: bool, kill_at: int = -1) -> None:
        local = start["disks"][0]["source"].get("shared") is False
        keeper = (Location("drover-data-mc", "mc", NODE, "20000"),) if local else ()
        self.cib = reconcile(EMPTY, Wanted((guest_primitive(start, priority=0, boot="old"),), keeper)).xml
        self.qemu = {disk["target"]: disk["source"]["path"] for disk in start["disks"]} if runs else {}
        self.copies: dict[str, str] = {}
        self.held, self.written = False, 0
        #: The newest write that each volume holds, and those of which QEMU still has something in its memory.
        self.volumes = {disk["source"]["path"]: 0 for disk in start["disks"]}
        self.unflushed: set[str] = set()
        self.kill_at, self.changes = kill_at, 0
        self.full = False
        self.resource = guest("mc", *([NODE] if runs else []))
        self.log: list[dict[str, Any]] = []

    # --- the cluster

    def query(self) -> str:
        return self.cib

    def status(self) -> Any:
        return status(self.resource)

    def apply(
        self,
        plan: Callable[[str], Wanted],
        *,
        check: bool,
        guard: Callable[[Any], None] = lambda _applied: None,
        predict: bool = True,
    ) -> Any:
        assert predict or not check
        difference = reconcile(self.cib, plan(self.cib))
        guard(SimpleNamespace(prediction=Prediction(), difference=difference))
        if not check and difference.changed:
            self._changed(lambda: setattr(self, "cib", difference.xml))

    @property
    def told(self) -> dict[str, Any]:
        its = guest_of(read(self.cib).guests()["mc"]) or {}
        return {disk["target"]: disk["source"] for disk in its["disks"]}

    @property
    def record(self) -> dict[str, Any]:
        return disks.record_of(read(self.cib).guests()["mc"])

    # --- QEMU

    def disks(self, _name: str) -> dict[str, LiveDisk]:
        return {
            target: LiveDisk(path, self.copies.get(target), ready=target in self.copies)
            for target, path in self.qemu.items()
        }

    def seen(self, _name: str) -> Seen:
        return Seen(State.PAUSED, "user") if self.held else Seen(State.RUNNING)

    def disk_sizes(self, _name: str, targets: list[str]) -> dict[str, int]:
        return dict.fromkeys(targets, 8)

    def copied(self, _name: str, _target: str) -> tuple[int, int]:
        return 8, 8

    def copy(self, _name: str, target: str, goal: Mapping[str, Any], _bandwidth: int | None) -> None:
        assert goal["path"] in self.volumes

        def begin() -> None:
            if not self.full:
                self.copies[target] = goal["path"]
                self.unflushed.add(goal["path"])

        self._changed(begin)

    def pivot(self, _name: str, target: str) -> None:
        assert self.held, "a VM that writes while it changes over"

        def change() -> None:
            self.qemu[target] = goal = self.copies.pop(target)
            self.volumes[goal] = self.written if target == "vda" else 0
            self.unflushed.discard(goal)

        self._changed(change)

    def forget_copy(self, _name: str, target: str) -> None:
        self._changed(lambda: self.copies.pop(target))

    def suspend(self, _name: str) -> None:
        self._changed(lambda: setattr(self, "held", True))

    def resume(self, _name: str) -> None:
        self._changed(lambda: setattr(self, "held", False))

    def live_xml(self, _name: str) -> str:
        disks_of = "".join(
            f"<disk><source file='{path}'/><target dev='{target}'/></disk>" for target, path in self.qemu.items()
        )
        return f"<domain><devices>{disks_of}</devices></domain>"

    # --- the storage

    def there(self, path: str) -> bool:
        return path in self.volumes

    def size(self, _source: Mapping[str, Any]) -> int:
        return 8

    def in_use(self, path: str) -> bool:
        return path in self.qemu.values() or path in self.copies.values()

    def require_room(self, *_arguments: Any) -> None:
        pass

    def make(self, goal: Mapping[str, Any], _size: int) -> None:
        assert goal["path"] not in self.volumes
        self._changed(lambda: self.volumes.update({goal["path"]: -1}))

    def copy_whole(self, start: Mapping[str, Any], goal: Mapping[str, Any]) -> None:
        self._changed(lambda: self.volumes.update({goal["path"]: self.volumes[start["path"]]}))

    def remove(self, path: str) -> None:
        assert not self.in_use(path)
        self._changed(lambda: self.volumes.pop(path, None))

    def discard(self, path: str) -> None:
        assert path != self.told["vda"]["path"]
        self.remove(path)

    # --- time

    def _changed(self, change: Callable[[], Any]) -> None:
        if self.changes == self.kill_at:
            self.kill_at = -1
            raise Killed
        self.changes += 1
        change()
        if self.qemu and not self.held:
            self.written += 1
            self.volumes[self.qemu["vda"]] = self.written
            if "vda" in self.copies:
                self.volumes[self.copies["vda"]] = self.written
        named = self.told["vda"]["path"]
        assert self.volumes.get(named) == self.written, f"what is at {named} lacks writes"
        assert named not in self.unflushed, f"part of what is at {named} is in QEMU's memory alone"


class Store:
    """The world's storage, where copying means a whole volume."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, "copy_whole" if name == "copy" else name)
