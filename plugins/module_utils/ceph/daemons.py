# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemons of one node beside its monitor: manager, metadata server, and OSDs on devices or in a file."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.atomic import write
from ..core.command import CommandError, Runner, run
from ..core.errors import DroverError
from .keys import keyring, new_key, read_keyring

__all__ = ["DaemonError", "Found", "Node", "Step", "occupied", "steps"]

_LIB = Path("/var/lib/ceph")
BOOTSTRAP = _LIB / "bootstrap-osd" / "ceph.keyring"
OSD_CAPS = {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"}


class DaemonError(DroverError):
    """A daemon of Ceph's that cannot be made here."""


@dataclass(frozen=True)
class Found:
    """What of Ceph a node has: keys of its manager and its metadata server, the numbers of OSDs kept in files, and of
    those on devices by the device's path."""

    keys: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    devices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One thing to make: ``mgr``, ``mds``, or an ``osd`` on a device, in a ``file`` where it names none."""

    action: str
    subject: str

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


def steps(
    node: str, tasks: Collection[str], devices: Sequence[str], file: bool, keys: Mapping[str, str], found: Found
) -> list[Step]:
    """What makes the daemons of a node that has these tasks, in their order. ``keys`` are those of manager and
    metadata server."""
    wanted = [Step(task, node) for task in ("mgr", "mds") if task in tasks and _differs(task, node, keys, found)]
    if "osd" in tasks:
        wanted += [Step("osd", device) for device in devices if device not in found.devices]
        if file and not found.files:
            wanted.append(Step("osd", "file"))
    return wanted


def _differs(task: str, node: str, keys: Mapping[str, str], found: Found) -> bool:
    wanted = keys.get(f"{task}.{node}")
    # A dry run of a fresh cluster knows no key yet.
    return found.keys.get(task) is None or (wanted is not None and found.keys[task] != wanted)


def occupied(device: str, seen: Mapping[str, Any]) -> str:
    """What is on a device that an OSD would overwrite, of ``lsblk``'s JSON; empty when there is nothing."""
    [entry] = seen["blockdevices"][:1] or [{}]
    what = [f"{part['name']}" for part in entry.get("children") or ()]
    if entry.get("fstype"):
        what.append(f"a file system or signature ({entry['fstype']})")
    if entry.get("mountpoint"):
        what.append(f"mounted at {entry['mountpoint']}")
    return ", ".join(what)


class Node:
    """This node's daemons. Methods raise DaemonError and CommandError."""

    def __init__(self, name: str, runner: Runner = run) -> None:
        self.name = name
        self._run = runner

    def look(self, devices: Sequence[str]) -> Found:
        """What there is; ``devices`` are those that are asked for."""
        keys = {}
        for task in ("mgr", "mds"):
            ring = _LIB / task / f"ceph-{self.name}" / "keyring"
            if ring.is_file():
                keys[task] = next(iter(_keys(ring)), "")
        files = [
            folder.name.removeprefix("ceph-")
            for folder in sorted((_LIB / "osd").glob("ceph-*"))
            if (folder / "block").is_file() and not (folder / "block").is_symlink() and (folder / "done").exists()
        ]
        return Found(keys, files, self._volumes(devices) if devices else {})

    def _volumes(self, devices: Sequence[str]) -> dict[str, str]:
        """The OSDs on devices, by those of these paths that lead to them."""
        try:
            seen = json.loads(self._run(["ceph-volume", "lvm", "list", "--format", "json"]).stdout or "{}")
        except (CommandError, ValueError):
            return {}  # not installed yet
        real = {
            os.path.realpath(place): number
            for number, parts in seen.items()
            for part in parts
            for place in part["devices"]
        }
        return {device: real[os.path.realpath(device)] for device in devices if os.path.realpath(device) in real}

    def refusals(self, wanted: Sequence[Step]) -> Iterator[str]:
        """Why some of the steps must not be taken."""
        for device in (step.subject for step in wanted if step.action == "osd" and step.subject != "file"):
            if not Path(device).exists():
                yield f"CEPH_NO_DEVICE: {self.name} has no {device}, which ceph_osd_devices names."
                continue
            seen = self._run(["lsblk", "--json", "-o", "NAME,FSTYPE,MOUNTPOINT", device]).stdout
            if what := occupied(device, json.loads(seen)):
                yield (
                    f"CEPH_DEVICE_IN_USE: {device} of {self.name} is not empty ({what}), and an OSD would "
                    f"overwrite it. If nobody needs that any more: wipefs --all {device} on {self.name}."
                )

    def carry_out(self, step: Step, keys: Mapping[str, str]) -> None:
        """Take one step."""
        if step.action in ("mgr", "mds"):
            self._keyed(step.action, keys[f"{step.action}.{self.name}"])
            return
        BOOTSTRAP.parent.mkdir(parents=True, exist_ok=True)
        caps = {"mon": "profile bootstrap-osd"}
        write(BOOTSTRAP, keyring({"client.bootstrap-osd": (keys["client.bootstrap-osd"], caps)}), mode=0o600)
        if step.subject == "file":
            self._file_osd()
        else:
            self._run(["ceph-volume", "lvm", "create", "--bluestore", "--data", step.subject], timeout=600)

    def _keyed(self, task: str, key: str) -> None:
        entity = f"{task}.{self.name}"
        folder = _LIB / task / f"ceph-{self.name}"
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        write(folder / "keyring", keyring({entity: (key, {})}), mode=0o600)
        for path in (folder, folder / "keyring"):
            shutil.chown(path, "ceph", "ceph")
        self._enable(f"ceph-{task}@{self.name}.service")

    def _file_osd(self) -> None:
        """An OSD whose store is a file, for labs. What an interrupted run began, is finished: its number is kept."""
        draft = _LIB / "osd" / "drover-new"
        # Written whole or not at all.
        made = json.loads(draft.read_text()) if draft.is_file() else {"uuid": str(uuid.uuid4()), "key": new_key()}
        draft.parent.mkdir(parents=True, exist_ok=True)
        write(draft, json.dumps(made), mode=0o600)
        # The same UUID gets the same number.
        said = self._run(
            [
                "ceph",
                "--name",
                "client.bootstrap-osd",
                "--keyring",
                str(BOOTSTRAP),
                "osd",
                "new",
                made["uuid"],
                "-i",
                "-",
            ],
            stdin=json.dumps({"cephx_secret": made["key"]}),
        )
        number = said.stdout.strip()
        folder = _LIB / "osd" / f"ceph-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o750)
        write(folder / "keyring", keyring({f"osd.{number}": (made["key"], OSD_CAPS)}), mode=0o600)
        write(folder / "type", "bluestore\n", mode=0o600)
        for path in (folder, folder / "keyring", folder / "type"):
            shutil.chown(path, "ceph", "ceph")
        self._run(
            [
                "ceph-osd",
                "--id",
                number,
                "--mkfs",
                "--osd-uuid",
                made["uuid"],
                "--setuser",
                "ceph",
                "--setgroup",
                "ceph",
            ],
            timeout=120,
        )
        self._enable(f"ceph-osd@{number}.service")
        (folder / "done").touch()
        draft.unlink()

    def _enable(self, unit: str) -> None:
        self._run(["systemctl", "reset-failed", unit], ok=None)
        self._run(["systemctl", "enable", "--quiet", unit])
        self._run(["systemctl", "restart", unit], timeout=90)


def _keys(ring: Path) -> list[str]:
    return list(read_keyring(ring.read_text()).values())
