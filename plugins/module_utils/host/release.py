# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions of Drover's code on a node, side by side.

A version, here a release, is a folder that is complete and on disk before one link is turned to it. Programs follow
that link once, when they start, and hold the release that they found by a shared lock on its folder; the locks of
forked children count as well. So a program runs from one version from its beginning to its end, hours later perhaps,
and a release can be removed once nobody holds it.

::

    /usr/lib/drover/releases/HASH/bin/PROGRAM     one file under several names, which starts what it is called
    /usr/lib/drover/releases/HASH/drover/...      the package
    /usr/lib/drover/current -> releases/HASH
    /usr/lib/ocf/resource.d/drover/AGENT -> /usr/lib/drover/current/bin/AGENT

The hash is that of all contents. Nodes that were set up before there were releases have the package and the programs
right below /usr/lib/drover.
"""

from __future__ import annotations

import base64
import compileall
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ..core.errors import InvalidValue

__all__ = [
    "PACKAGE",
    "Agents",
    "File",
    "Releases",
    "Unreleased",
    "listing",
    "pack",
    "turn",
    "undisturbed",
    "unpack",
    "version",
]

#: The name under which the code is imported on nodes.
PACKAGE = "drover"
_CURRENT = "current"
_CACHE = "__pycache__"


class File(NamedTuple):
    """A file of a release. Programs are executable."""

    content: bytes
    executable: bool = False

    @property
    def mode(self) -> int:
        return 0o755 if self.executable else 0o644


#: The files of a release by their path in it.
Files = Mapping[str, File]


def pack(files: Files) -> str:
    """The files as one short text for the wire."""
    plain = {path: [file.content.decode("latin-1"), file.executable] for path, file in files.items()}
    return base64.b64encode(zlib.compress(json.dumps(plain).encode())).decode()


def unpack(text: str) -> dict[str, File]:
    """The files that :func:`pack` packed. Raises InvalidValue for anything else, and for paths that lead elsewhere."""
    try:
        plain = json.loads(zlib.decompress(base64.b64decode(text)))
    except (zlib.error, ValueError) as error:
        raise InvalidValue(f"this is no packed release: {error}") from error
    for path in plain:
        if path.startswith("/") or not all(part.strip(".") for part in path.split("/")):
            raise InvalidValue(f"a release has no {path!r}")
    return {path: File(content.encode("latin-1"), executable) for path, (content, executable) in plain.items()}


def version(files: Files) -> str:
    """The release's name: a hash of all that is in it."""
    total = hashlib.sha256()
    for path, file in sorted(files.items()):
        total.update(f"{path}\0{file.mode:o}\0{len(file.content)}\0".encode() + file.content)
    return total.hexdigest()[:16]


def listing(name: str | None, files: Files) -> str:
    """The release for a diff: its name, and each file with a hash, so that those show whose content changes."""
    lines = [f"{hashlib.sha256(file.content).hexdigest()[:12]} {path}" for path, file in sorted(files.items())]
    return "".join(f"{line}\n" for line in [f"version {name}", *lines]) if name else ""


class Releases:
    """The releases in a folder, and the link to the one in use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "releases"
        self._link = root / _CURRENT

    @property
    def current(self) -> str | None:
        """The name of the release that programs start from."""
        try:
            return os.readlink(self._link).rpartition("/")[2]
        except (FileNotFoundError, NotADirectoryError, OSError):
            return None

    def read(self, name: str | None) -> dict[str, File]:
        """The files that a release really has, without what Python compiled; none when it is not there."""
        place = self._folder / (name or "")
        found = (
            [path for path in sorted(place.rglob("*")) if path.is_file() and _CACHE not in path.parts] if name else []
        )
        return {
            str(path.relative_to(place)): File(path.read_bytes(), bool(path.stat().st_mode & 0o111)) for path in found
        }

    def install(self, name: str, files: Files) -> None:
        """Put a release onto the disk, beside the others; one that is there already is set right file by file."""
        place = self._folder / name
        if not place.is_dir():
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(dir=self._folder, prefix=".new-"))
            _fill(draft, files)
            # At once, rather than by the many monitors that would come first.
            compileall.compile_dir(str(draft), quiet=2, stripdir=str(draft), prependdir=str(place))
            draft.chmod(0o755)
            _sync_tree(draft)
            draft.rename(place)
            _sync(self._folder)
            return
        there = self.read(name)
        _fill(place, {path: file for path, file in files.items() if there.get(path) != file})
        for path in there.keys() - files.keys():
            (place / path).unlink()
        _sync_tree(place)

    def switch(self, name: str) -> None:
        """Let programs start from this release from now on."""
        turn(self._link, f"releases/{name}")

    def others(self) -> list[str]:
        """What there is beside the release in use: other releases, and what an interrupted run left."""
        with suppress(FileNotFoundError):
            return sorted(
                place.name for place in self._folder.iterdir() if place.is_dir() and place.name != self.current
            )
        return []

    def unused(self) -> list[str]:
        """Those of them that nothing runs from."""
        found = []
        for name in self.others():
            with _alone(self._folder / name) as free:
                if free:
                    found.append(name)
        return found

    def remove_unused(self) -> list[str]:
        """Remove them; returns their names."""
        removed = []
        for name in self.others():
            place = self._folder / name
            with _alone(place) as free:
                if not free:
                    continue
                # A program that found it just before sees that it is gone once it gets its lock, and looks again.
                doomed = place.rename(place.with_name(f".old-{name.lstrip('.')}"))
                shutil.rmtree(doomed)
                removed.append(name)
        if removed:
            _sync(self._folder)
        return removed


class Agents:
    """The folder in which Pacemaker looks for agents: a link to each, and nothing else."""

    def __init__(self, folder: Path, root: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._wanted = {name: f"{root}/{_CURRENT}/bin/{name}" for name in names}

    def differences(self) -> list[str]:
        """The names that are missing, lead elsewhere or do not belong there."""
        found = {path.name: path for path in self._folder.iterdir()} if self._folder.is_dir() else {}
        right = {
            name
            for name, target in self._wanted.items()
            if name in found and found[name].is_symlink() and os.readlink(found[name]) == target
        }
        return sorted((self._wanted.keys() | found.keys()) - right)

    def settle(self) -> None:
        """Set them right, each in one step."""
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in self.differences():
            if name in self._wanted:
                turn(self._folder / name, self._wanted[name])
            else:
                (self._folder / name).unlink()
        _sync(self._folder)


class Unreleased:
    """What a node has from before there were releases: the package and the programs right below the root.

    Its processes hold nothing. One is known by the program that it was started as, while it holds no release.
    """

    def __init__(self, root: Path, agents: Path, programs: Sequence[str], proc: Path = Path("/proc")) -> None:
        self._root = root
        self._agents = agents
        self._paths = [root / name for name in (PACKAGE, *programs)]
        self._proc = proc

    def paths(self) -> list[str]:
        """What there is of it."""
        return [str(path) for path in self._paths if path.exists()]

    def users(self) -> list[str]:
        """The processes that run from it, by what they were started as."""
        found = []
        for process in self._proc.iterdir():
            if not process.name.isdigit():
                continue
            with suppress(OSError):  # it ends while we look
                words = (process / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                ours = [word for word in words[:4] if Path(word).parent in (self._root, self._agents)]
                if ours and not self._holds_release(process):
                    found.append(" ".join(words[words.index(ours[0]) :][:2]))
        return sorted(found)

    def remove(self) -> None:
        """Remove it."""
        for path in self._paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        _sync(self._root)

    def _holds_release(self, process: Path) -> bool:
        held = str(self._root / "releases") + "/"
        for handle in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed while we look; the process is still there
                if os.readlink(handle).startswith(held):
                    return True
        return False


def turn(link: Path, target: str) -> None:
    """Make ``link`` lead to ``target`` in one step, on the disk as well."""
    link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = link.with_name(f".{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    _sync(link.parent)


def _fill(place: Path, files: Files) -> None:
    """Write files below a folder, each beside its place and renamed."""
    for path, file in files.items():
        final = place / path
        # By hand, for mkdir gives its mode to the last folder alone.
        for folder in reversed([final.parent, *final.parent.parents]):
            if folder.is_relative_to(place) and folder != place:
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)
        draft = final.with_name(f".{final.name}.new")
        draft.write_bytes(file.content)
        draft.chmod(file.mode)
        draft.replace(final)


def _sync_tree(place: Path) -> None:
    for folder, _folders, names in os.walk(place):
        for name in names:
            _sync(Path(folder, name))
        _sync(Path(folder))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def undisturbed(root: Path) -> Iterator[None]:
    """While another run installs or removes releases here, wait."""
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _alone(place: Path) -> Iterator[bool]:
    """Whether no program holds this release, nor can get hold of it meanwhile."""
    handle = os.open(place, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
