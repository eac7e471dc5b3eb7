# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private keys and certificates as files that other programs open at any moment.

QEMU, libvirt and the peer service open a certificate and its key one after the other, so no order of writing them
keeps a reader from getting the one from before and the other from after. What does is the moment: a reader opens its
files within milliseconds, and the kernel tells of each opening (inotify(7)). Both files are made aside, and put in
their places when nobody has opened one for a while.
"""

from __future__ import annotations

import ctypes
import os
import select
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.atomic import fill, sync_folder
from ..core.errors import DroverError

__all__ = ["SECRETS", "Disagreement", "Rights", "held", "put", "settled", "tighten", "unread"]

#: Where each member keeps the cluster's secrets.
SECRETS = Path("/etc/drover/secrets")

_IN_OPEN = 0x20
_ROOT = 0
#: Seconds without an opening after which no reader is between two files; QEMU that is emulated takes its time as well.
_QUIET = 0.5
#: Seconds to wait for that. A folder that is read all the time has readers that try again.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Rights:
    """Who may read a file that root owns."""

    mode: int = 0o644
    gid: int = 0


class Disagreement(DroverError):
    """Members that hold different values of one secret: their names, in order."""


def settled(name: str, given: Mapping[str, str], found: Mapping[str, Mapping[str, str]]) -> str | None:
    """One value of a secret: as given, else as members hold it (``found``, by node); None where nobody does.

    Raises Disagreement.
    """
    if given.get(name):
        return given[name]
    values = {node: of[name] for node, of in found.items() if of.get(name)}
    if len(set(values.values())) > 1:
        raise Disagreement(", ".join(sorted(values)))
    return next(iter(values.values()), None)


def held(path: Path) -> str:
    """The text of a regular file; empty when there is none, or a link in its place."""
    try:
        return path.read_text() if stat.S_ISREG(path.lstat().st_mode) else ""
    except OSError:
        return ""


def put(contents: Mapping[Path, tuple[str, Rights]]) -> None:
    """Replace these files, all in one moment in which nobody reads any of them."""
    # What is read through a link is opened where it leads to.
    folders = {folder for path in contents for folder in (path.parent, path.resolve().parent)}
    for path, (text, rights) in contents.items():
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = _draft(path)
        draft.unlink(missing_ok=True)
        # Not by core/atomic.write, which renames at once: these are renamed together. And the draft has always the same
        # name: what a run leaves that was cut short is a private key, and the next one replaces it.
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fill(opened, text.encode(), mode=rights.mode, owner=(_ROOT, rights.gid))
    drafts = [(_draft(path), path) for path in contents]
    if len(drafts) > 1 and any(path.exists() for path in contents):
        unread(folders)
    for draft, path in drafts:
        os.replace(draft, path)
    for folder in {path.parent for path in contents}:
        sync_folder(folder)


def tighten(path: Path, rights: Rights, *, look: bool = False) -> bool:
    """Let only those read a file who may; whether that is (with ``look``, would be) a change."""
    try:
        now = path.lstat()
    except OSError:
        return False
    if (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (_ROOT, rights.gid, rights.mode):
        return False
    if not look:
        os.chown(path, _ROOT, rights.gid, follow_symlinks=False)
        os.chmod(path, rights.mode)
    return True


def unread(folders: Iterable[Path]) -> None:
    """Wait until nobody has opened a file in these folders for a while."""
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if watch < 0:  # no watch left on this machine: the moment is short without
        return
    try:
        for folder in folders:
            libc.inotify_add_watch(watch, os.fsencode(folder), _IN_OPEN)
        deadline = time.monotonic() + _PATIENCE
        while select.select([watch], [], [], _QUIET)[0] and time.monotonic() < deadline:
            os.read(watch, 1 << 16)
    finally:
        os.close(watch)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
