# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SBD as a node has it: its disks, its watchdog, its daemon. Nothing here opens a watchdog, which would arm it."""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import re
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..cluster.sbd import LAYOUT_SECTORS, msgwait, parse_header, parse_slots, watched
from ..core.command import CommandError, Runner
from ..core.errors import DroverError

__all__ = ["SOFTDOG", "NotEmpty", "SbdNode"]

#: The kernel's own timer as a watchdog, and how the kernel calls it.
SOFTDOG, _SOFTWARE = "softdog", "Software Watchdog"
#: What role fencing writes: sbd's configuration, and a file that tells that it is Drover's.
_DEFAULTS, _DECLARED = "/etc/default/sbd", "/etc/systemd/system/sbd.service.d/drover.conf"
_DEVICES = re.compile(r'^SBD_DEVICE="([^"]+)"$', re.MULTILINE)
#: ioctls: the size of a sector, and of the disk in bytes (linux/fs.h).
_BLKSSZGET, _BLKGETSIZE64 = 0x1268, 0x80081272
_PAGE = 4096
#: Seconds for a program that looks at a disk, and for one that writes the whole layout in single sectors.
_LOOK, _CREATE = 30, 120


class NotEmpty(DroverError):
    """A disk that something is on."""


class SbdNode:
    """This node. ``root`` is where its /sys, /proc and /run are looked up."""

    def __init__(self, run: Runner, root: Path = Path("/")) -> None:
        self._run, self._root = run, root

    def look(self, devices: Sequence[str], watchdog: str) -> dict[str, Any]:
        """What there is of SBD: ``devices`` in the order they are named in, the ``watchdog``, whether the daemon
        is ``running``, the UUIDs of the disks that it ``watches``, and whether the ``cluster`` runs."""
        return {
            "devices": [self.device(path) for path in devices],
            "watchdog": self.watchdog(watchdog),
            "running": self._runs("sbd"),
            "watches": sorted(self.watches()),
            "cluster": self._runs("corosync"),
        }

    def device(self, path: str) -> dict[str, Any]:
        """A disk: its SBD ``header`` and ``slots``, what else is on it (``content``), and why it cannot be read."""
        told: dict[str, Any] = {"path": path, "fault": "", "header": None, "slots": {}, "content": ""}
        try:
            data, sector = self.read(path)
        except OSError as error:
            return {**told, "fault": error.strerror or str(error)}
        except ValueError as error:
            return {**told, "fault": str(error)}
        header = parse_header(data)
        if header is not None:
            return {**told, "header": header.as_dict(), "slots": parse_slots(data, sector)}
        return {**told, "content": self._content(path, data)}

    def read(self, path: str) -> tuple[bytes, int]:
        """All that SBD may have on a disk, past the node's own memory of it, and the disk's size of a sector.

        Raises OSError, and ValueError for what is no disk or is too small.
        """
        if not stat.S_ISBLK(os.stat(path).st_mode):
            raise ValueError("is no block device")
        place = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            [sector] = struct.unpack("i", fcntl.ioctl(place, _BLKSSZGET, bytes(4)))
            [size] = struct.unpack("Q", fcntl.ioctl(place, _BLKGETSIZE64, bytes(8)))
            length = -(-LAYOUT_SECTORS * sector // _PAGE) * _PAGE
            if size < length:
                raise ValueError(f"is too small: SBD takes {length} bytes")
            # Reads past the cache want memory that is aligned.
            with mmap.mmap(-1, length) as memory:
                if os.preadv(place, [memory], 0) < length:
                    raise OSError(errno.EIO, "cannot be read to where SBD ends")
                return memory[:], sector
        finally:
            os.close(place)

    def _content(self, path: str, data: bytes) -> str:
        """What a disk without SBD holds, in words; empty when there is demonstrably nothing."""
        try:
            # Of what is mounted, a part of a RAID or a volume group, or has a partition that is.
            os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            return "something that is in use" if error.errno == errno.EBUSY else str(error.strerror)
        try:
            found = self._run(["wipefs", "--no-act", "--json", path], timeout=_LOOK).stdout.strip()
            signatures = json.loads(found)["signatures"] if found else []
        except (CommandError, ValueError, KeyError) as error:
            return f"something that wipefs cannot tell ({error})"
        if signatures:
            return ", ".join(sorted({str(one.get("type", "a signature")) for one in signatures}))
        return "data" if any(data) else ""

    def create(self, path: str, watchdog: int) -> None:
        """Lay a disk out for SBD. Raises NotEmpty when anything is on it, CommandError when it cannot be written."""
        seen = self.device(path)
        holds = seen["fault"] or seen["content"] or ("an SBD header" if seen["header"] else "")
        if holds:
            raise NotEmpty(f"{path} is not empty any more ({holds}), and was left alone")
        timeouts = ["-1", str(watchdog), "-4", str(msgwait(watchdog))]
        self._run(["sbd", "-d", path, *timeouts, "create"], timeout=_CREATE)

    def watchdog(self, wanted: str) -> dict[str, Any]:
        """The watchdog that is asked for: its ``device``, whether it is ``present`` (or its ``module`` to be had), its
        ``identity``, whether somebody has it open (``active``), and the longest timeout it takes (None: not told)."""
        device = "/dev/watchdog" if wanted == SOFTDOG else wanted
        name = Path(os.path.realpath(self._at(device))).name
        place = self._at("/sys/class/watchdog") / ("watchdog0" if name == "watchdog" else name)
        longest = self._text(place / "max_timeout")
        return {
            "device": device,
            "present": self._at(device).exists(),
            "module": wanted != SOFTDOG or self._softdog(),
            "identity": self._text(place / "identity"),
            "software": self._text(place / "identity") == _SOFTWARE,
            "active": self._text(place / "state") == "active",
            "longest": int(longest) if longest.isdigit() and int(longest) else None,
        }

    def unwatched(self) -> list[str]:
        """The disks that Drover has declared here and this node's sbd does not watch, while the cluster runs."""
        if not self._at(_DECLARED).exists() or not self._runs("corosync"):
            return []
        found = _DEVICES.search(self._text(self._at(_DEFAULTS)))
        watches = self.watches()
        disks = [self.device(path) for path in found[1].split(";")] if found else []
        return [disk["path"] for disk in disks if (disk["header"] or {}).get("uuid") not in watches]

    def watches(self) -> set[str]:
        """The UUIDs of the disks that this node's sbd watches; none when it does not run."""
        return watched(list(self._titles()))

    def _titles(self) -> Iterator[bytes]:
        for process in self._at("/proc").glob("[0-9]*"):
            with suppress(OSError):
                yield (process / "cmdline").read_bytes()

    def _softdog(self) -> bool:
        try:
            return self._run(["modprobe", "--dry-run", "--quiet", SOFTDOG], timeout=_LOOK, ok=None).rc == 0
        except CommandError:
            return False

    def _runs(self, program: str) -> bool:
        for process in self._at("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "comm").read_text().strip() == program:
                    return True
        return False

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text().strip()
        except OSError:
            return ""
