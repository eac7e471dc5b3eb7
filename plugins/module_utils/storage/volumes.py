# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where disks and root file systems live, and what has to be done so that they are as declared.

A pool answers where a volume is; everything else about it goes by that answer. ``plan`` is pure: declared
volumes and what is there in, steps and refusals out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os.path import normpath
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol

from ..ceph.rbd import PREFIX
from ..core.errors import InvalidValue
from ..core.quantities import format_size

__all__ = [
    "DirectoryPool",
    "Found",
    "Plan",
    "Pool",
    "RbdPool",
    "Step",
    "Volume",
    "confusions",
    "local_pool_of",
    "plan",
    "pools_from",
]


class Pool(Protocol):
    """A place for volumes. Its answers go into definitions as they are; one of a pool that is not shared says so."""

    @property
    def path(self) -> str:
        """Where nodes find it."""

    @property
    def shared(self) -> bool:
        """Whether all nodes see the same; else every node has a pool of its own at the same path."""

    def disk(self, guest: str, target: str) -> dict[str, Any]:
        """The source of a VM's disk."""

    def seed(self, guest: str) -> dict[str, Any]:
        """The source of a VM's seed disk."""

    def rootfs(self, guest: str) -> dict[str, Any]:
        """The root file system of a container."""

    def folders(self, guest: str) -> dict[str, str]:
        """The folder with all volumes of the guest, if it were of this kind: ``vm`` and ``container``."""


@dataclass(frozen=True)
class DirectoryPool:
    """A directory, the same on every node when the pool is shared."""

    path: str
    shared: bool = True

    def disk(self, guest: str, target: str) -> dict[str, Any]:
        return self._source("file", f"{self.folders(guest)['vm']}/{target}.qcow2", format="qcow2")

    def seed(self, guest: str) -> dict[str, Any]:
        return self._source("file", f"{self.folders(guest)['vm']}/seed.img", format="raw")

    def rootfs(self, guest: str) -> dict[str, Any]:
        return self._source("directory", f"{self.folders(guest)['container']}/rootfs")

    def folders(self, guest: str) -> dict[str, str]:
        return {"vm": f"{self.path}/vms/{guest}", "container": f"{self.path}/containers/{guest}"}

    def _source(self, kind: str, path: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "path": path, **more, **({} if self.shared else {"shared": False})}


@dataclass(frozen=True)
class RbdPool:
    """A pool of images in Ceph, for disks of VMs: ``pool`` is Ceph's name for it. All nodes see the same."""

    pool: str
    shared: bool = True

    @property
    def path(self) -> str:
        return f"{PREFIX}{self.pool}"

    def disk(self, guest: str, target: str) -> dict[str, Any]:
        return self._source(f"{guest}.{target}")

    def seed(self, guest: str) -> dict[str, Any]:
        return self._source(f"{guest}.seed")

    def rootfs(self, guest: str) -> dict[str, Any]:
        raise InvalidValue(f"the root file system of {guest} cannot be an image in Ceph (pool {self.pool})")

    def folders(self, guest: str) -> dict[str, str]:
        # No container can be here.
        return {"vm": f"{self.path}/{guest}.", "container": f"{self.path}/{guest}.rootfs/"}

    def _source(self, image: str) -> dict[str, Any]:
        return {"type": "rbd", "path": f"{self.path}/{image}", "format": "raw"}


def pools_from(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Pool]:
    """The pools of ``storage_pools``. Raises InvalidValue for a type that is not known."""
    pools: dict[str, Pool] = {}
    for name, entry in declared.items():
        kind = entry.get("type")
        if kind == "rbd":
            pools[name] = RbdPool(str(entry.get("pool", name)))
        elif kind in ("directory", "cephfs"):
            pools[name] = DirectoryPool(str(entry["path"]).rstrip("/"), entry.get("shared", True))
        else:
            raise InvalidValue(f"storage_pools.{name}.type: {kind!r} is not known: there are directory, rbd and cephfs")
    return pools


def confusions(declared: Mapping[str, Mapping[str, Any]], seen: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong with pools that are not shared as ``storage_pools`` says, a paragraph each.

    ``seen`` has by node the identities that it found in the pools, by path (see module pool_identity).
    """
    problems = []
    for name, entry in _places(declared):
        path = entry["path"]
        identities = {node: its[path] for node, its in seen.items()}
        told = ", ".join(f"{node} {identity}" for node, identity in identities.items())
        different = len(set(identities.values()))
        if entry.get("shared", True) and different > 1:
            problems.append(
                f"Pool {name} in storage_pools is not the same storage on every node, so guests started elsewhere "
                f"would find old disks or none. What each node sees at {path}: {told}. Mount the shared file system "
                "there on all nodes (key `mount` of the pool does it), or say that it is each node's own "
                "(`shared: false`)."
            )
        if not entry.get("shared", True) and different < len(identities):
            problems.append(
                f"Pool {name} in storage_pools is to be each node's own (`shared: false`), but nodes see the same "
                f"storage at {path}: a guest would be copied onto itself. What each node sees: {told}. Leave "
                "`shared: false` away, or give every node storage of its own there."
            )
    return problems


def local_pool_of(path: str, declared: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the pool of each node's own that a path is in; empty when all nodes see the same there.

    Pools may lie in one another: the innermost counts.
    """
    whole = PurePosixPath(normpath(path))
    around = {
        name: PurePosixPath(normpath(entry["path"]))
        for name, entry in _places(declared)
        if whole.is_relative_to(normpath(entry["path"]))
    }
    innermost = max(around, key=lambda name: len(around[name].parts), default="")
    return "" if innermost == "" or declared[innermost].get("shared", True) else innermost


def _places(declared: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The pools that are directories of nodes."""
    return [(name, entry) for name, entry in declared.items() if "path" in entry]


@dataclass(frozen=True)
class Volume:
    """A volume as declared.

    ``label`` is its place in the user's YAML. ``size`` in bytes is a disk's, or the most that a root
    file system may hold. ``image`` is the file it starts
    from: a disk image or an archive. ``files`` are a seed's files, or what a new root file system gets besides
    its image, by path. ``idmap`` shifts the owners in a root file system. ``known`` is the
    name of a guest that the cluster knows by this volume. ``rival`` is a folder that exists
    only if the guest is of the other kind. A ``folder`` is only ever removed.
    """

    type: Literal["disk", "seed", "rootfs", "folder"]
    path: str
    label: str
    size: int = 0
    image: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    idmap: Mapping[str, int] | None = None
    rival: str | None = None
    known: str | None = None


@dataclass(frozen=True)
class Found:
    """What is there at a volume's path: a disk's size in bytes and whether a VM has it open, a seed's files.

    Or at the folder that a root file system is to be made in: the type of its ``filesystem``.
    """

    size: int = 0
    in_use: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    filesystem: str = ""


@dataclass(frozen=True)
class Step:
    """One thing to do, and a line for people about the volume before and after it."""

    action: Literal["create", "grow", "rewrite", "remove"]
    volume: Volume
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """Steps in their order, and why some volumes cannot be as declared; with any of those, nothing is done."""

    steps: tuple[Step, ...]
    refusals: tuple[str, ...]


def plan(volumes: Iterable[Volume], found: Mapping[str, Found], unkept: Mapping[str, str] | None = None) -> Plan:
    """What makes storage as declared. ``found`` tells what is there by path: of volumes, disk images and rivals.

    ``unkept`` tells by path why the size of a root file system cannot be kept.
    """
    steps: list[Step] = []
    refusals: list[str] = []
    for volume in volumes:
        refusals += _refusals(volume, found)
        if volume.type == "rootfs" and volume.size and volume.path in (unkept or {}):
            refusals.append(
                f"{volume.label}.size: nothing would keep it, for {volume.path} is on {(unkept or {})[volume.path]}: "
                "leave `size` away, or have the pool on XFS or ext4 with prjquota, or on btrfs with qgroups"
            )
        steps += _steps(volume, found.get(volume.path))
    return Plan(tuple(steps), tuple(refusals))


def _refusals(volume: Volume, found: Mapping[str, Found]) -> Iterator[str]:
    present = found.get(volume.path)
    if volume.rival in found:
        yield (
            f"{volume.label}: the guest exists as one of the other kind ({volume.rival}): give the new one another "
            "name, or remove the old one first (state: absent, remove_disks: true)"
        )
    if volume.known is not None and present is None:
        yield (
            f"{volume.label}: {volume.path} is not there, though the cluster knows {volume.known} by it, and what may "
            "only be away is not made anew: mount its storage, or restore it from a backup. To give the old data up "
            f"and begin anew: -e guests_recreate={volume.known}"
        )
    place = found.get(str(PurePosixPath(volume.path).parent))
    if volume.type == "rootfs" and volume.idmap and present is None and place and place.filesystem.startswith("nfs"):
        yield (
            f"{volume.label}.pool: {volume.path} would be on NFS, whose server takes the root of an unprivileged "
            "container for an ordinary user, and lets it give no file to another: nothing could be installed in it. "
            "Choose a pool on another storage, make the guest a VM, or say privileged: true (its root is the node's)"
        )
    image = found.get(volume.image or "")
    if volume.type == "disk" and present is not None and present.size > volume.size:
        yield (
            f"{volume.label}.size: {format_size(volume.size)} is less than the {format_size(present.size)} the disk "
            "has, and disks do not shrink"
        )
    if volume.type == "disk" and present is None and image is not None and image.size > volume.size:
        yield (
            f"{volume.label}.size: {format_size(volume.size)} is less than the {format_size(image.size)} its image "
            "needs"
        )


def _steps(volume: Volume, present: Found | None) -> Iterator[Step]:
    if volume.type == "folder":
        if present is not None:
            yield Step("remove", volume, "present", "")
        return
    if present is None:
        yield Step("create", volume, "", _described(volume))
    elif volume.type == "disk" and present.size < volume.size and not present.in_use:
        # The disk of a running VM is grown by the agent, through QEMU, which has it locked.
        yield Step("grow", volume, format_size(present.size), format_size(volume.size))
    elif volume.type == "seed" and dict(present.files) != dict(volume.files):
        yield Step("rewrite", volume, _text(present.files), _text(volume.files))


def _described(volume: Volume) -> str:
    if volume.type == "seed":
        return _text(volume.files)
    size = format_size(volume.size) if volume.size else ""
    origin = f"from {volume.image}" if volume.image else "empty"
    return f"{size} {origin}".strip()


def _text(files: Mapping[str, str]) -> str:
    return "".join(f"--- {name}\n{content}" for name, content in sorted(files.items()))
