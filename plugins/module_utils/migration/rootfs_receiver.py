# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The node that a container on local storage moves to: its half of the copy, and what there is of a container here.

In a container's folder of a pool are

- ``rootfs``: the root file system, while it is this node's;
- ``incoming``: one that another node is copying here. It is never started, only renamed when this node takes over;
- ``arrived``: written when ``incoming`` is whole, with what the other node knows of the move;
- ``moved``: says that ``rootfs`` has been copied away. It is the old one as soon as the other node has taken over,
  and goes when the container runs there.

Which node's is the true one, the cluster's configuration says (cluster/guests.data_id).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import syslog
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.atomic import sync_folder, write
from ..core.command import CommandError, run
from ..core.errors import DroverError, InvalidValue
from ..core.lock import LOCKS, locked
from ..core.node_name import node_name
from ..core.wait import WaitTimeout
from ..hypervisor.lxc_host import STOPPED, LxcHost
from ..peer.channel import Peer, PeerError, ask
from ..peer.splice import relay
from ..storage import quota
from ..storage.pool_mark import MARK, pool_of
from .parcels import unpack
from .tree import prepare_old, walk

__all__ = ["Folder", "alone", "copy", "keeper", "occupied", "receive", "runs", "tidy"]

_LOCKS = LOCKS
#: The options that rsync's sender passes on to its receiver when started by rootfs_sender.py. A path is in none of
#: them.
_OPTION = re.compile(
    r"-[A-Za-z.]+|-@-1|--(bwlimit=\d+|delete|delete-missing-args|dirs|force|from0|ignore-times|numeric-ids|partial)"
)
#: Seconds that a half copy waits for somebody to go on with it, and a whole one to be taken over.
_PATIENCE = 60.0
_LOOK_AGAIN = 0.5


@dataclass(frozen=True)
class Folder:
    """A container's folder on this node, by the place of its root file system."""

    rootfs: Path

    @classmethod
    def of(cls, guest: str, path: str) -> Folder:
        """The folder that another node speaks of. Raises PoolError when it can't be one."""
        pool_of(guest, path, "containers", "rootfs")
        return cls(Path(path))

    @property
    def incoming(self) -> Path:
        return self.rootfs.with_name("incoming")

    @property
    def arrived(self) -> Path:
        return self.rootfs.with_name("arrived")

    @property
    def moved(self) -> Path:
        return self.rootfs.with_name("moved")

    @property
    def mark(self) -> Path:
        return self.rootfs.parents[2] / MARK

    def identity(self) -> str:
        """What the pool is told from others by."""
        return self.mark.read_text(encoding="ascii").strip()

    def arrival(self) -> dict[str, Any] | None:
        """What came with a whole copy; None without one."""
        try:
            found: dict[str, Any] = json.loads(self.arrived.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if self.incoming.is_dir() else None

    def note_moved(self, node: str) -> None:
        """Say that what is here has been copied to a node; when this returns, it is said on the disk."""
        write(self.moved, f"{node}\n")

    def take_over(self) -> None:
        """Make the whole copy the container's root file system. Whatever stops in the middle can do it again."""
        if self.rootfs.is_dir():
            self.discard(self.rootfs)
        self.incoming.rename(self.rootfs)
        self.arrived.unlink(missing_ok=True)
        self.moved.unlink(missing_ok=True)
        sync_folder(self.rootfs.parent)

    def discard(self, tree: Path) -> None:
        """Remove a tree: at once from its place, and its contents in the background, however long that takes."""
        with suppress(FileNotFoundError):
            tree.rename(tree.with_name(f"gone.{os.getpid()}.{time.monotonic_ns()}"))
        self.sweep()

    def sweep(self) -> None:
        """Go on removing what was discarded, and then the folder if nothing else is in it."""
        script = 'chattr -R -f -i -a "$1"/gone.*; rm -rf --one-file-system "$1"/gone.*; rmdir "$1"'
        argv = ["nice", "-n", "19", "sh", "-c", script, "sweep", str(self.rootfs.parent)]
        nothing = subprocess.DEVNULL
        subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


@contextmanager
def alone(guest: str, patience: float) -> Iterator[None]:
    """Keep others on this node from receiving the same container. Raises PeerError."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(_LOCKS / f"receive-{guest}", patience, what="the end of another copy"))
        except WaitTimeout:
            raise PeerError(f"another copy of {guest} is coming here; wait for its end") from None
        yield


def keeper(guest: str) -> str | None:
    """The node that has a guest's data, by the cluster's word. Raises PeerError when nobody can tell."""
    from ..cluster.pacemaker import ClusterError, Pacemaker

    try:
        return Pacemaker().data_of(guest)
    except ClusterError as error:
        raise PeerError(f"nobody can tell where the data of {guest} is: {error}") from error


def occupied(tree: Path) -> int:
    """Bytes on the disk that a tree takes, while it may be changing. Raises CommandError."""
    # It exits with 1 when something vanished while it looked, and has counted all the rest. Over a folder that
    # vanishes around it, it aborts (seen with coreutils 9.7): a container's root can have that happen.
    counted = run(["du", "-s", "--block-size=1", str(tree)], timeout=3600, ok=(0, 1, -signal.SIGABRT))
    if counted.rc < 0:
        return _walked(tree)
    size = counted.stdout.partition("\t")[0]
    if not size.isdigit():
        said = counted.stderr.strip() or "du says nothing"
        raise CommandError(f"what {tree} takes cannot be counted: {said}", counted)
    return int(size)


def _walked(tree: Path) -> int:
    """The same, slower, and with each name of a file counted anew; no matter what vanishes."""
    total = 0
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def receive(request: Mapping[str, Any], peer: Peer) -> None:
    """Service: receive a container's root file system, for as long as the other node stays connected.

    ``{"free": bytes, "held": whether some of it is here already, "entries": true}`` is the answer; then the other node
    says, each time with an answer, ``entries`` (what is here, see tree.py, in blocks of which the last is empty, and
    then the answer), ``sync``, ``arrived`` with what it knows of the move, or ``drop``.
    """
    guest = str(request["guest"])
    folder = Folder.of(guest, str(request["path"]))
    if request["mark"] == folder.identity():
        raise PeerError(f"{folder.mark.parent} is the same storage on both nodes: declare the pool so (shared: true)")
    peer.stream.settimeout(None)
    with alone(guest, 15.0):
        _prepare(guest, folder)
        # What is here already need not come again.
        used = occupied(folder.incoming)
        free = os.statvfs(folder.incoming)
        held = any(folder.incoming.iterdir())
        peer.send({"free": free.f_bavail * free.f_frsize + used, "held": held, "entries": True})
        _converse(folder, peer)
    peer.close()
    until = time.monotonic() + _PATIENCE
    while folder.incoming.exists() and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN)
    # Nobody hears any more what goes wrong with that, and there is a next time.
    with suppress(PeerError, CommandError, OSError), alone(guest, 0.0):
        _tidy_known(guest, folder)


def _prepare(guest: str, folder: Folder) -> None:
    if LxcHost().state(guest) != STOPPED:
        raise PeerError(f"{guest} is running here")
    folder.arrived.unlink(missing_ok=True)
    if folder.rootfs.exists():
        # A node that lost its power may have forgotten that it was moved away; the cluster has not.
        if not folder.moved.exists() and keeper(guest) in (None, node_name()):
            raise PeerError(
                f"there is a root file system at {folder.rootfs} that nobody has moved away: "
                "look whether it is still needed, and remove it"
            )
        # An old copy of the same container: most of it need not come again.
        if folder.incoming.exists():
            folder.discard(folder.rootfs)
        else:
            folder.rootfs.rename(folder.incoming)
        folder.moved.unlink(missing_ok=True)
    if folder.incoming.exists():
        prepare_old(folder.incoming)
    for place in reversed(folder.incoming.parents):
        if not place.exists():
            place.mkdir(mode=0o711)
    if folder.incoming.is_dir():
        # An old copy had its size; while files come and go, both the old and the new take room.
        with suppress(quota.QuotaError, OSError):
            quota.limit(folder.incoming, None)
    else:
        quota.make(folder.incoming, 0o755)


def _converse(folder: Folder, peer: Peer) -> None:
    """Do what the other node says, until it is gone. What goes wrong with a word is its answer."""
    with suppress(PeerError):
        while True:
            message = peer.receive()
            try:
                _obey(folder, peer, message)
            except PeerError:
                # In the middle of an answer: what is said now would be taken for its rest.
                raise
            except (DroverError, OSError, KeyError) as error:
                syslog.syslog(syslog.LOG_WARNING, f"{folder.incoming}: {error}")
                peer.send({"error": str(error)})
            else:
                peer.send({})


def _obey(folder: Folder, peer: Peer, message: Mapping[str, Any]) -> None:
    word = message["then"]
    if word == "entries":
        try:
            for block in walk(folder.incoming):
                peer.send_block(block)
        finally:
            peer.send_block(b"")
    elif word == "sync":
        _sync(folder.incoming)
    elif word == "arrived":
        _sync(folder.incoming)
        write(folder.arrived, json.dumps({**message["move"], "received": time.time()}))
    elif word == "parcels":
        try:
            unpack(folder.incoming, peer)
        except OSError as error:
            # The other end is in the middle of it, and hears nothing.
            syslog.syslog(syslog.LOG_WARNING, f"{folder.incoming}: {error}")
            raise PeerError(str(error)) from error
    elif word == "drop":
        folder.arrived.unlink(missing_ok=True)
        folder.discard(folder.incoming)
    else:
        other = "the Drover of one node is of another version; run site.yml"
        raise InvalidValue(f"{word!r} is not understood here: {other}")


def _sync(tree: Path) -> None:
    run(["sync", "--file-system", str(tree)], timeout=3600)


def copy(request: Mapping[str, Any], peer: Peer) -> None:
    """Service: rsync's receiving end, in the folder that :func:`receive` has prepared."""
    folder = Folder.of(str(request["guest"]), str(request["path"]))
    options = [str(option) for option in request["options"]]
    refused = [option for option in options if not _OPTION.fullmatch(option)]
    if refused:
        raise PeerError(f"rsync is not started with {' '.join(refused)}")
    if not folder.incoming.is_dir() or folder.arrived.exists():
        raise PeerError(f"nothing is expected at {folder.incoming}")
    argv = ["rsync", "--server", *options, ".", "."]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder.incoming, start_new_session=True
    ) as rsync:
        assert rsync.stdin is not None
        assert rsync.stdout is not None
        peer.send({})
        # From here on the connection is rsync's: an error of ours has no place in it.
        with suppress(OSError):
            relay(peer, rsync.stdout.fileno(), rsync.stdin.fileno())
        # Either it is done, or it has lost its sender and has nothing more to do.
        with suppress(ProcessLookupError):
            os.killpg(rsync.pid, signal.SIGKILL)


def runs(request: Mapping[str, Any], peer: Peer) -> None:
    """Service: whether a container runs on this node, and whether there is any of it here, on its way up or down."""
    state = LxcHost().state(str(request["guest"]))
    peer.send({"runs": state == "RUNNING", "here": state != STOPPED})


def tidy(guest: str, path: str, ask_node: Callable[..., dict[str, Any]] = ask) -> None:
    """Remove what an earlier move has left here, once the container runs from another node's storage."""
    with suppress(PeerError, CommandError):
        folder = Folder.of(guest, path)
        if folder.moved.exists() or folder.incoming.exists() or any(folder.rootfs.parent.glob("gone.*")):
            with alone(guest, 0.0):
                _tidy_known(guest, folder, ask_node)


def _tidy_known(guest: str, folder: Folder, ask_node: Callable[..., dict[str, Any]] = ask) -> None:
    try:
        node = keeper(guest)
        if node == node_name():
            return
        # One that was removed from the cluster has its disks left alone; a half copy never was one.
        if node is not None and not ask_node(node, {"do": "runs", "guest": guest}, 5.0)["runs"]:
            return
    except PeerError as error:
        syslog.syslog(syslog.LOG_WARNING, f"what moves have left of {guest} stays for now: {error}")
        return
    if node is not None and folder.moved.exists():
        folder.discard(folder.rootfs)
        folder.moved.unlink()
    if folder.incoming.exists():
        folder.discard(folder.incoming)
    folder.arrived.unlink(missing_ok=True)
    folder.sweep()
