# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at this machine without changing it: processes, mounts, network links."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.command import Runner, run
from ..core.lock import locked

__all__ = [
    "Process",
    "exclusively",
    "greets_by_ssh",
    "is_leader",
    "links",
    "mount_points",
    "processes",
    "root_upper_directory",
]

PROC = Path("/proc")
#: Seconds to wait for another run: those that make nodes from nothing take some minutes.
_PATIENCE = 3600.0


@dataclass(frozen=True)
class Process:
    """A living process: its id, arguments and working directory."""

    pid: int
    argv: tuple[str, ...]
    cwd: str

    @property
    def program(self) -> str:
        return Path(self.argv[0]).name


def processes(proc: Path = PROC) -> Iterator[Process]:
    """Every process of this machine that has arguments (no zombies, no kernel threads)."""
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command_line = (entry / "cmdline").read_bytes()
            cwd = str((entry / "cwd").readlink())
        except OSError:  # it has ended meanwhile
            continue
        if command_line:
            argv = tuple(command_line.decode(errors="replace").rstrip("\0").split("\0"))
            yield Process(int(entry.name), argv, cwd)


def root_upper_directory(pid: int, proc: Path = PROC) -> str | None:
    """The writable layer of the overlay that is this process's root file system, if it is one.

    systemd-nspawn's options can be forged and its process killed; what a process writes to cannot.
    """
    try:
        mounts = (proc / str(pid) / "mountinfo").read_text(errors="replace")
    except OSError:
        return None
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[3:5] != ["/", "/"] or not right.startswith("overlay "):
            continue
        for option in right.split()[2].split(","):
            key, _, value = option.partition("=")
            if key == "upperdir":
                return value
    return None


def is_leader(pid: int, proc: Path = PROC) -> bool:
    """Whether this process is the first one of a PID namespace directly below ours."""
    try:
        status = (proc / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            return line.split()[2:] == ["1"]
    return False


def mount_points(kind: str | None = None, proc: Path = PROC) -> list[str]:
    """Where file systems (of one kind, if given) are mounted, in that order."""
    found = []
    for line in (proc / "self" / "mountinfo").read_text(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        if kind in (None, right.split()[0]):
            found.append(left.split()[4].encode().decode("unicode_escape"))
    return found


def links(runner: Runner = run) -> dict[str, dict[str, Any]]:
    """Network interfaces by name, with their addresses, as ``ip -json address`` describes them."""
    shown = json.loads(runner(["ip", "-json", "-details", "address"], timeout=10).stdout)
    return {link["ifname"]: link for link in shown}


def greets_by_ssh(address: str, timeout: float = 0.5) -> bool:
    """Whether an SSH server is there. A mere refusal, or a silent connection, may come from a firewall between."""
    try:
        with socket.create_connection((address, 22), timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def exclusively(file: Path) -> AbstractContextManager[None]:
    """Wait until no other process is in here with this file. A run whose controller was killed may still be at it.

    Raises WaitTimeout.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    return locked(file, _PATIENCE, what=f"the end of another run that holds {file}")
