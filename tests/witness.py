# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A witness of what really runs: the lab's nodes are containers of this machine, whose process table shows it all."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils.lab.machine import PROC, root_upper_directory

__all__ = ["Witness", "instances"]


def instances(guests: Collection[str], lab: Path, proc: Path = PROC) -> dict[str, int]:
    """How many times each guest runs now, on whatever node: QEMU processes and LXC monitors with its name.

    ``lab`` is the lab's directory. Only its nodes count: another lab may have guests of the same names.
    """
    found: dict[int, tuple[str, int]] = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = entry.joinpath("cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            name = _guest(words)
            if name is not None and name in guests and _runs_in(int(entry.name), lab, proc):
                found[int(entry.name)] = name, _parent(entry)
        except OSError:  # it ended meanwhile
            continue
    count = dict.fromkeys(guests, 0)
    for name, parent in found.values():
        # A monitor's child has its name, until it has become the container's init.
        if found.get(parent, ("", 0))[0] != name:
            count[name] += 1
    return count


def _parent(process: Path) -> int:
    """Its parent's process id: the second field behind the name in brackets (proc_pid_stat(5))."""
    return int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])


def _runs_in(pid: int, lab: Path, proc: Path) -> bool:
    disk = root_upper_directory(pid, proc)
    return disk is not None and Path(disk).is_relative_to(lab)


def _guest(words: list[str]) -> str | None:
    if "qemu-system" in words[0] and "-name" in words:
        options = words[words.index("-name") + 1].split(",")
        return next((option.removeprefix("guest=") for option in options if option.startswith("guest=")), None)
    # LXC sets its monitor's title to "[lxc monitor] PATH NAME".
    if words[0].startswith("[lxc monitor]"):
        return words[0].split()[-1]
    return None


class Witness(threading.Thread):
    """Counts every tenth of a second from ``start()`` to ``stop()``; not for the time of a live migration."""

    def __init__(self, guests: Collection[str], lab: Path, interval: float = 0.1) -> None:
        super().__init__(daemon=True)
        self.guests = tuple(guests)
        self.lab = lab
        self.most = dict.fromkeys(guests, 0)
        self.looks = 0
        self._interval = interval
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            for name, count in instances(self.guests, self.lab).items():
                self.most[name] = max(self.most[name], count)
            self.looks += 1
            self._ending.wait(self._interval)

    def stop(self) -> dict[str, int]:
        """The most instances of each guest seen at one moment."""
        self._ending.set()
        self.join(timeout=10)
        return self.most
