# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM that takes its disks along: on storage that is each node's own, QEMU mirrors them while it moves.

The target makes empty disks for QEMU to fill, and gets the seed disk, which is small and only read. They are the
VM's as soon as the cluster's configuration says that its data is there (cluster/guests.data_id): the source says so
when the VM stops for the last moment of its migration, and takes it back when that fails. Whatever the configuration
does not call the VM's is removed, at the target when the source goes away, at the source when the VM runs elsewhere.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.command import Runner, run
from ..core.node_name import node_name
from ..guest.definition import Definition
from ..hypervisor.emulator import emulator_pid
from ..peer.channel import Peer, PeerError, ask
from ..storage.pool_mark import pool_of
from .rootfs_receiver import alone, keeper

__all__ = ["Mirror", "local_disks", "make", "tidy"]

#: Room that has to remain at the target, in bytes.
_MARGIN = 64 << 20
_LONGEST_SEED = 16 << 20
#: Seconds between two looks whether a VM whose source has gone silent still comes.
_LOOK = 1.0
#: Seconds after which a target no longer waits for one: as long as Pacemaker gives a move with disks.
_PATIENCE = 86_400.0


def local_disks(definition: Definition) -> list[Mapping[str, Any]]:
    """The VM's disks on storage of its node's own."""
    return [disk for disk in definition["disks"] if disk["source"].get("shared") is False]


class Mirror:
    """The source's side: makes room at the target for the VM's local disks, until :meth:`keep` or :meth:`drop`.

    ``sizes`` are the disks' capacities in bytes by target. Raises PeerError when the target can't take them, PoolError
    when they are in no pool.
    """

    def __init__(self, definition: Definition, node: str, sizes: Mapping[str, int]) -> None:
        disks = local_disks(definition)
        written = [disk for disk in disks if not disk["readonly"]]
        seeds = [Path(disk["source"]["path"]) for disk in disks if disk["readonly"]]
        self.targets = [str(disk["target"]) for disk in written]
        first = Path(disks[0]["source"]["path"])
        request = {
            "do": "mirror",
            "guest": definition["name"],
            "mark": pool_of(str(definition["name"]), str(first), "vms"),
            "disks": [
                {
                    "path": disk["source"]["path"],
                    "format": disk["source"]["format"],
                    "size": sizes[disk["target"]],
                    "used": _used(disk["source"]["path"]),
                }
                for disk in written
            ],
            "seeds": [{"path": str(path), "size": path.stat().st_size} for path in seeds],
        }
        self._peer = Peer.connect(node, request, 30.0)
        try:
            self._peer.receive()
            for path in seeds:
                self._peer.stream.sendall(path.read_bytes())
            self._peer.receive()
        except (PeerError, OSError):
            self._peer.close()
            raise

    def keep(self) -> None:
        """The VM runs at the target: the disks there are its own."""
        self._end("keep")

    def drop(self) -> None:
        """Nothing came of it."""
        self._end("drop")

    def _end(self, word: str) -> None:
        with suppress(PeerError):  # the target finds out by itself
            self._peer.send({"then": word})
            self._peer.receive()
        self._peer.close()


def make(request: Mapping[str, Any], peer: Peer, runner: Runner = run) -> None:
    """Service, the target's side: make the disks, and see to them when the source has done or is gone."""
    guest = str(request["guest"])
    disks, seeds = list(request["disks"]), list(request["seeds"])
    paths = [Path(str(entry["path"])) for entry in (*disks, *seeds)]
    for path in paths:
        if pool_of(guest, str(path), "vms") == request["mark"]:
            raise PeerError(f"{path.parents[2]} is the same storage on both nodes: declare the pool so (shared: true)")
    if emulator_pid(guest) is not None:
        raise PeerError(f"{guest} is running here")
    with alone(guest, 15.0):
        _make_room(guest, paths)
        made: list[Path] = []
        try:
            needed = sum(int(disk["used"]) for disk in disks) + _MARGIN
            free = shutil.disk_usage(paths[0].parent).free
            if needed > free:
                raise PeerError(
                    f"no room for its disks: they hold {needed >> 20} MiB, and {free >> 20} MiB are free in "
                    f"{paths[0].parents[2]}"
                )
            for disk in disks:
                made.append(Path(disk["path"]))
                create = ["qemu-img", "create", "-q", "-f", str(disk["format"]), str(disk["path"]), str(disk["size"])]
                runner(create)
                made[-1].chmod(0o600)
            peer.send({})
            for seed in seeds:
                made.append(Path(seed["path"]))
                made[-1].write_bytes(_seed(peer, int(seed["size"])))
                made[-1].chmod(0o600)
            peer.send({})
            if _word(peer) == "keep":
                with suppress(PeerError):
                    peer.send({})
                return
        except BaseException:
            _remove(made)
            raise
        _await_end(guest)
        if not _is_ours(guest):
            _remove(made)
        with suppress(PeerError):
            peer.send({})


def tidy(definition: Definition, ask_node: Callable[..., dict[str, Any]] = ask) -> None:
    """Remove the disks that a VM has left here, once it runs from another node's storage."""
    guest = str(definition["name"])
    paths = [Path(disk["source"]["path"]) for disk in local_disks(definition)]
    if not any(path.exists() for path in paths) or emulator_pid(guest) is not None:
        return
    with suppress(PeerError):
        node = keeper(guest)
        if node in (None, node_name()):
            return
        with alone(guest, 0.0):
            if ask_node(node, {"do": "vm runs", "guest": guest}, 5.0)["runs"]:
                _remove(paths)


def _make_room(guest: str, paths: Sequence[Path]) -> None:
    """Remove what an earlier move left here, provided that it is not the VM's."""
    left = [path for path in paths if path.exists()]
    if left and keeper(guest) in (None, node_name()):
        raise PeerError(f"there is a disk at {left[0]} that nobody has moved away: see whether it is needed, remove it")
    _remove(left)
    for folder in reversed(paths[0].parents):
        if not folder.exists():
            folder.mkdir(mode=0o711)


def _await_end(guest: str) -> None:
    """libvirt goes on with a migration whose agent is dead. Until it comes to an end, its disks are needed."""
    until = time.monotonic() + _PATIENCE
    while emulator_pid(guest) is not None and time.monotonic() < until:
        if _is_ours(guest):
            return
        time.sleep(_LOOK)


def _is_ours(guest: str) -> bool:
    return keeper(guest) == node_name()


def _word(peer: Peer) -> str:
    peer.stream.settimeout(None)
    try:
        return str(peer.receive().get("then"))
    except PeerError:
        return "gone"


def _seed(peer: Peer, size: int) -> bytes:
    if size > _LONGEST_SEED:
        raise PeerError(f"a seed disk of {size} bytes is none")
    return peer.exactly(size)


def _used(path: str) -> int:
    return os.stat(path).st_blocks * 512


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        with suppress(OSError):
            folder.rmdir()
