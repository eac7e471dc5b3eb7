# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images in Ceph's pools (RBD): disks of VMs, what they are cloned from, and whose they are at a time.

An image's place is written ``rbd:POOL/IMAGE``, where other volumes have a path. A disk is GUEST.TARGET.

Who writes to an image holds its exclusive lock. It is handed over on request, as in a migration. Of a client that is
dead it has to be broken, and Ceph then refuses what the former owner may still send (blocklist).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.command import Runner, run
from ..core.parallel import side_by_side

__all__ = ["CLIENT", "PREFIX", "SECRET", "Rbd", "is_rbd", "place"]

PREFIX = "rbd:"
#: By which client of Ceph's nodes reach them, without its "client.".
CLIENT = "drover"
#: How libvirt knows that client's key: the usage of its secret.
SECRET = "drover-ceph"
#: The snapshot that disks are clones of, and what an image that is made carries in its name until it is whole.
_BASE, _DRAFT = "base", ".new"
_NO_SUCH = 2
_LONG = 1800.0


def is_rbd(path: str) -> bool:
    """Whether a volume's place is an image in Ceph."""
    return path.startswith(PREFIX)


def place(path: str) -> str:
    """The image as Ceph's own commands name it."""
    return path.removeprefix(PREFIX)


class Rbd:
    """Images as this node reaches them. Every method raises CommandError."""

    def __init__(self, runner: Runner = run) -> None:
        self._run = runner

    def size(self, path: str) -> int | None:
        """The bytes of an image; None where there is none."""
        found = self._ask("info", place(path), missing=None)
        return None if found is None else int(found["size"])

    def has_pool(self, pool: str) -> bool:
        """Whether Ceph has a pool of this name for images."""
        return self._ask("pool", "stats", pool, missing=None) is not None

    def open_by(self, path: str) -> list[str]:
        """The addresses of those that have the image open for writing."""
        found = self._ask("status", place(path), missing={"watchers": []})
        return [str(watcher["address"]) for watcher in found["watchers"]]

    def of(self, prefix: str) -> list[str]:
        """The images whose place begins so."""
        pool, _slash, beginning = place(prefix).partition("/")
        names = self._ask("ls", pool, missing=[])
        return [f"{PREFIX}{pool}/{name}" for name in names if name.startswith(beginning)]

    def create(self, path: str, size: int) -> None:
        """Make an empty image."""
        self._tell("create", "--size", f"{size}B", place(path))

    def clone(self, path: str, image: str, size: int) -> None:
        """Make an image that begins as a copy of a disk image in a file. Only the first one from it takes time."""
        pool = place(path).partition("/")[0]
        base = f"{pool}/drover-base.{Path(image).parent.name}"
        self._base(base, image)
        draft = f"{place(path)}{_DRAFT}"
        self._discard(draft)
        self._tell("clone", f"{base}@{_BASE}", draft)
        self._tell("resize", "--no-progress", "--size", f"{size}B", draft)
        self._tell("mv", draft, place(path))

    def _base(self, base: str, image: str) -> None:
        """See to it that there is an image, protected from removal, that disks can be cloned from."""
        if any(snap["name"] == _BASE and snap["protected"] == "true" for snap in self._snapshots(base)):
            return
        draft = f"{base}{_DRAFT}"
        for left in (draft, base):
            self._discard(left)
        target = f"rbd:{draft}:id={CLIENT}"
        self._run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, target], timeout=_LONG)
        self._tell("snap", "create", "--no-progress", f"{draft}@{_BASE}")
        self._tell("snap", "protect", f"{draft}@{_BASE}")
        self._tell("mv", draft, base)

    def _snapshots(self, spec: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("snap", "ls", spec, missing=[])
        return found

    def import_from(self, file: Path, path: str) -> None:
        """Make an image of a file, in the place of one that may be there."""
        draft = f"{place(path)}{_DRAFT}"
        self._discard(draft)
        self._tell("import", "--no-progress", str(file), draft)
        self._discard(place(path))
        self._tell("mv", draft, place(path))

    def export_to(self, path: str, file: Path) -> None:
        """Write an image to a file."""
        self._tell("export", "--no-progress", place(path), str(file))

    def grow(self, path: str, size: int) -> None:
        """Make an image larger. It never becomes smaller."""
        self._tell("resize", "--no-progress", "--size", f"{size}B", place(path))

    def remove(self, path: str) -> None:
        """Remove an image."""
        self._tell("rm", "--no-progress", place(path))

    def rename(self, path: str, name: str) -> None:
        """Give an image another place in the same pool."""
        self._tell("mv", place(path), place(name))

    def lockers(self, path: str) -> list[tuple[str, str]]:
        """Who holds the image's exclusive lock: cookies and clients."""
        locks = self._ask("lock", "ls", place(path), missing=[])
        return [(str(lock["id"]), str(lock["locker"])) for lock in locks]

    def break_locks(self, paths: Iterable[str]) -> list[str]:
        """Take the exclusive locks of images from whoever has them, whose writes Ceph refuses from then on.

        Only for what runs nowhere any more, as the cluster has it. Returns who was locked out, in words.
        """
        return [word for words in side_by_side(self._broken, list(paths)).values() for word in words]

    def _broken(self, path: str) -> list[str]:
        told = []
        for cookie, client in self.lockers(path):
            self._tell("lock", "rm", place(path), cookie, client)
            told.append(f"{client} from {place(path)}")
        return told

    def _discard(self, spec: str) -> None:
        """Remove what an interrupted run left, if it did."""
        if self._ask("info", spec, missing=None) is None:
            return
        for snap in self._snapshots(spec):
            if snap["protected"] == "true":
                self._tell("snap", "unprotect", f"{spec}@{snap['name']}")
            self._tell("snap", "rm", "--no-progress", f"{spec}@{snap['name']}")
        self._tell("rm", "--no-progress", spec)

    def _ask(self, *words: str, missing: Any) -> Any:
        done = self._run(["rbd", "--id", CLIENT, *words, "--format", "json"], ok=(0, _NO_SUCH))
        return json.loads(done.stdout) if done.rc == 0 and done.stdout.strip() else missing

    def _tell(self, *words: str) -> None:
        self._run(["rbd", "--id", CLIENT, *words], timeout=_LONG)
