# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a monitor: the first ones of a cluster, or one more of a cluster that there is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..core.command import Runner, run
from ..core.errors import DroverError
from .commands import Ceph, CephError
from .conf import monitor_address, monitor_endpoint
from .keys import ADMIN, clients, keyring

__all__ = ["FORMED", "MonitorError", "formed", "make", "remember_formed", "store"]

#: Says on a node that the cluster of this name has had a majority: from then on no monitor begins with an empty
#: memory of its own.
FORMED = Path("/etc/drover/ceph-formed")


class MonitorError(DroverError):
    """A monitor that cannot be made without endangering what others know."""


def store(name: str) -> Path:
    """Where a monitor keeps what it knows."""
    return Path(f"/var/lib/ceph/mon/ceph-{name}")


def there(name: str) -> bool:
    """Whether the monitor was made: its store is whole, as the last step of making it says."""
    return (store(name) / "done").exists()


def formed(fsid: str) -> bool:
    """Whether this node has seen the cluster work."""
    return FORMED.is_file() and FORMED.read_text().strip() == fsid


def remember_formed(fsid: str) -> None:
    """Remember that the cluster has worked."""
    FORMED.write_text(f"{fsid}\n")


def make(
    name: str, monitors: Mapping[str, str], secrets: Mapping[str, str], *, known: bool, runner: Runner = run
) -> None:
    """Make the store of a monitor of this node.

    ``monitors`` are the addresses of all by name. ``known`` says that some node has seen the cluster work: then this
    one learns from the majority, and where that does not answer, nothing is made. Raises MonitorError, CommandError.
    """
    target = store(name)
    with tempfile.TemporaryDirectory(prefix="drover-ceph-") as folder:
        ring, known_map = f"{folder}/keyring", f"{folder}/monmap"
        entries = {
            "mon.": (secrets["mon."], {"mon": "allow *"}),
            ADMIN: (secrets[ADMIN], clients((), ())[ADMIN]),
        }
        Path(ring).write_text(keyring(entries))
        if known:
            _learn(name, monitors[name], known_map, runner)
        else:
            runner(
                [
                    "monmaptool",
                    "--create",
                    "--clobber",
                    "--fsid",
                    secrets["fsid"],
                    "--set-min-mon-release",
                    "reef",
                    "--enable-all-features",
                    *_places(monitors),
                    known_map,
                ]
            )
        # What an interrupted run left knows nothing yet.
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(mode=0o750)
        for path in (folder, ring, known_map, str(target)):
            shutil.chown(path, "ceph", "ceph")
        runner(
            [
                "ceph-mon",
                "--mkfs",
                "--id",
                name,
                "--monmap",
                known_map,
                "--keyring",
                ring,
                "--setuser",
                "ceph",
                "--setgroup",
                "ceph",
            ]
        )
    descriptor = os.open(target / "done", os.O_CREAT | os.O_WRONLY, 0o640)
    os.close(descriptor)
    shutil.chown(target / "done", "ceph", "ceph")


def _places(monitors: Mapping[str, str]) -> list[str]:
    return [word for name, address in monitors.items() for word in ("--addv", name, monitor_address(address))]


def _learn(name: str, address: str, place: str, runner: Runner) -> None:
    """Have the majority know of this monitor, and write what it knows of all of them."""
    ceph = Ceph(runner=runner)
    try:
        known = {one["name"] for one in ceph.ask("mon", "dump")["mons"]}
    except CephError as error:
        raise MonitorError(
            f"CEPH_QUORUM: this node has no monitor's data, nodes know that Ceph has worked, and no majority of its "
            f"monitors answers ({error.cause})",
            remedy="Bring the other monitors back first: one that began with an empty memory could have the cluster "
            "forget where its data is.",
        ) from error
    if name not in known:
        ceph.tell("mon", "add", name, monitor_endpoint(address))
    ceph.tell("mon", "getmap", "-o", place, timeout=30)
