# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes on a node: looking at them, and carrying out the steps of a plan (see volumes.py).

Whatever is made is made beside its place and renamed when it is whole, so that a run that was interrupted
leaves nothing that the next one would take for finished.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..ceph.rbd import Rbd, is_rbd
from ..core.atomic import sync_folder
from ..core.command import CommandError, Runner, run
from ..core.lock import LOCKS, locked
from . import quota
from .volumes import Found, Step, Volume

__all__ = ["StorageHost", "exclusive", "make_folders"]

_LOCK = LOCKS / "volumes"

#: Copying a disk or unpacking a root file system, in seconds.
_LONG = 1800.0
_SEED_KIB = "1024"
_SEED_FILES = ("meta-data", "network-config", "user-data")


@contextmanager
def exclusive(timeout: float = 600.0, lock: Path = _LOCK) -> Iterator[None]:
    """Keep others on this node out: a run whose controller died may still be at work. Raises WaitTimeout."""
    with locked(lock, timeout, what="the end of an earlier run that still makes disks on this node"):
        yield


class StorageHost:
    """The storage as this node sees it. Raises CommandError or OSError when a step fails."""

    def __init__(self, runner: Runner = run, *, runs: Callable[[str], str | None] = lambda _guest: None) -> None:
        """``runs`` tells on which node a container still runs, whatever the cluster knows of it."""
        self._run = runner
        self._rbd = Rbd(runner)
        self._runs = runs

    def look(self, volumes: Iterable[Volume]) -> dict[str, Found]:
        """What is there, by path: of the volumes, their images and their rivals."""
        found: dict[str, Found] = {}
        for volume in volumes:
            if is_rbd(volume.path):
                found |= self._images(volume)
                continue
            if volume.rival and Path(volume.rival).exists():
                found[volume.rival] = Found()
            if volume.type == "disk" and volume.image and Path(volume.image).exists():
                found[volume.image] = self._disk(volume.image)
            if Path(volume.path).exists() or _arrives(volume):
                found[volume.path] = self._found(volume)
            elif volume.type == "rootfs":
                found[str(Path(volume.path).parent)] = Found(filesystem=quota.file_system(Path(volume.path)).type)
        return found

    def unkept(self, volumes: Iterable[Volume]) -> dict[str, str]:
        """Why the sizes of those root file systems that have one cannot be kept here, by path."""
        sized = (volume for volume in volumes if volume.type == "rootfs" and volume.size)
        lacking = {volume.path: quota.file_system(Path(volume.path)).lacks for volume in sized}
        return {path: why for path, why in lacking.items() if why}

    def carry_out(self, step: Step) -> None:
        """Do one step of a plan."""
        volume, path = step.volume, Path(step.volume.path)
        if is_rbd(volume.path):
            self._carry_out_in_ceph(step)
        elif step.action == "remove":
            # Looked at only now: check mode foretells a removal that comes after the guest's stop.
            if any(self._disk(str(disk)).in_use for disk in sorted(path.glob("*.qcow2"))):
                raise CommandError(f"{volume.label}: a disk in {path} is in use, so nothing of it is removed")
            if path.parent.name == "containers" and (node := self._runs(path.name)):
                raise CommandError(
                    f"{volume.label}: {path.name} still runs on {node}, though the cluster does not know of it, so "
                    f"nothing in {path} is removed: 'lxc-stop -P /run/drover/lxc {path.name}' there ends it"
                )
            shutil.rmtree(path)
        elif step.action == "grow":
            self._run(["qemu-img", "resize", "-q", "-f", "qcow2", volume.path, str(volume.size)])
        else:
            makers: dict[str, Callable[[Volume, Path], None]] = {
                "disk": self._make_disk,
                "seed": self._make_seed,
                "rootfs": self._make_rootfs,
            }
            make_folders(path.parent)
            with _beside(path) as draft:
                makers[volume.type](volume, draft)
                self._run(["sync", "--file-system", str(draft)], timeout=_LONG)

    def _images(self, volume: Volume) -> dict[str, Found]:
        """What there is of a volume in Ceph, and its image."""
        found = {}
        if volume.type == "folder":
            return {volume.path: Found()} if self._rbd.of(volume.path) else {}
        if volume.image and Path(volume.image).exists():
            found[volume.image] = self._disk(volume.image)
        size = self._rbd.size(volume.path)
        if size is None:
            return found
        if volume.type == "seed":
            with tempfile.TemporaryDirectory(prefix="drover-seed-") as folder:
                copy = Path(folder, "seed.img")
                self._rbd.export_to(volume.path, copy)
                return {volume.path: Found(files={name: self._seed_file(str(copy), name) for name in _SEED_FILES})}
        return found | {volume.path: Found(size=size, in_use=bool(self._rbd.open_by(volume.path)))}

    def _carry_out_in_ceph(self, step: Step) -> None:
        volume = step.volume
        if step.action == "remove":
            images = self._rbd.of(volume.path)
            if any(self._rbd.open_by(image) for image in images):
                raise CommandError(f"{volume.label}: an image {volume.path}* is in use, so nothing of it is removed")
            for image in images:
                self._rbd.remove(image)
        elif step.action == "grow":
            self._rbd.grow(volume.path, volume.size)
        elif volume.type == "seed":
            with tempfile.TemporaryDirectory(prefix="drover-seed-") as folder:
                self._make_seed(volume, draft := Path(folder, "seed.img"))
                self._rbd.import_from(draft, volume.path)
        elif volume.image:
            self._rbd.clone(volume.path, volume.image, volume.size)
        else:
            self._rbd.create(volume.path, volume.size)

    def _found(self, volume: Volume) -> Found:
        if volume.type == "disk":
            return self._disk(volume.path)
        if volume.type == "seed":
            return Found(files={name: self._seed_file(volume.path, name) for name in _SEED_FILES})
        return Found()

    def _disk(self, path: str) -> Found:
        """A disk's size, and whether somebody writes to it: QEMU locks what it has open."""
        look = ["qemu-img", "info", "--output=json", path]
        try:
            shown, in_use = self._run(look), False
        except CommandError:
            shown, in_use = self._run([*look, "--force-share"]), True
        return Found(size=int(json.loads(shown.stdout)["virtual-size"]), in_use=in_use)

    def _seed_file(self, seed: str, name: str) -> str:
        return self._run(["mtype", "-i", seed, f"::{name}"], ok=None).stdout

    def _make_disk(self, volume: Volume, draft: Path) -> None:
        if volume.image:
            copy = ["cp", "--reflink=auto", "--sparse=auto", volume.image, str(draft)]
            self._run(copy, timeout=_LONG)
            self._run(["qemu-img", "resize", "-q", "-f", "qcow2", str(draft), str(volume.size)])
        else:
            self._run(["qemu-img", "create", "-q", "-f", "qcow2", str(draft), str(volume.size)])
        draft.chmod(0o600)

    def _make_seed(self, volume: Volume, draft: Path) -> None:
        self._run(["mkfs.vfat", "-C", "-n", "CIDATA", str(draft), _SEED_KIB])
        for name, content in sorted(volume.files.items()):
            self._run(["mcopy", "-i", str(draft), "-", f"::{name}"], stdin=content)
        draft.chmod(0o600)

    def _make_rootfs(self, volume: Volume, draft: Path) -> None:
        owner = volume.idmap["start"] if volume.idmap else 0
        quota.make(draft, 0o755)
        os.chown(draft, owner, owner)
        unpack = ["tar", "--extract", "--numeric-owner", "--preserve-permissions", "--xattrs", "--xattrs-include=*"]
        # LXC fills /dev itself, and device nodes cannot be made in a user namespace.
        unpack += ["--exclude=./dev/*", "--directory", str(draft), "--file", str(volume.image)]
        # From a folder that the namespace's root may not enter, tar leaves modes and links undone on Ceph's file
        # system.
        self._run(["env", "--chdir=/", *_as_mapped(volume.idmap), *unpack], timeout=_LONG)
        for name, content in volume.files.items():
            _put(draft, name, content, owner)


def _arrives(volume: Volume) -> bool:
    """Whether a whole copy of a root file system waits to be renamed to its place (migration/rootfs_receiver.py)."""
    return volume.type == "rootfs" and Path(volume.path).with_name("arrived").exists()


def _as_mapped(idmap: Mapping[str, int] | None) -> list[str]:
    """The command that runs another as root of a user namespace, so that owners and capabilities come out shifted."""
    if not idmap:
        return []
    mapping = f"0:{idmap['start']}:{idmap['count']}"
    return ["lxc-usernsexec", "-m", f"u:{mapping}", "-m", f"g:{mapping}", "--"]


def _put(root: Path, name: str, content: str, owner: int) -> None:
    """Write a file of a container. A symbolic link in its place is replaced: followed, it would lead to the node."""
    folder, made = root, []
    for part in Path(name).parts[:-1]:
        folder /= part
        if folder.is_symlink():
            raise CommandError(f"{folder} is a symbolic link: this image has an unusual layout")
        if not folder.exists():
            folder.mkdir(mode=0o700 if part == ".ssh" else 0o755)
            made.append(folder)
    file = root / name
    file.unlink(missing_ok=True)
    file.write_text(content, encoding="utf-8")
    file.chmod(0o600 if folder.name == ".ssh" else 0o644)
    for path in [*made, file]:
        os.chown(path, owner, owner)


def make_folders(path: Path) -> None:
    """Make the folders up to here. The users of QEMU and of containers pass through them, and read nothing."""
    for folder in [*reversed(path.parents), path]:
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o711)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A place to make something in, that becomes ``path`` when all went well."""
    draft = path.with_name(f"{path.name}.new")
    if draft.is_dir():
        shutil.rmtree(draft)
    draft.unlink(missing_ok=True)
    yield draft
    draft.rename(path)
    sync_folder(path.parent)
