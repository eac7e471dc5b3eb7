# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node beside its network, as a serial console shows a real server: its processes, its files, programs run on it.

The lab's nodes are containers of this machine. So a fault can be put in within milliseconds, and taken out again
when the node can't be reached any more.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..cluster.graph_from_elsewhere import fetching
from ..core.command import CommandError, CommandResult, run
from .chassis import Chassis

__all__ = ["Console"]


class Console:
    """One node. What is asked of a node without power is empty; a program run there raises CommandError."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._chassis = Chassis.load(directory)
        self._leader: int | None = None

    def leader(self) -> int | None:
        """The node's first process as this machine numbers it, None without power."""
        if self._leader is not None and not Path(f"/proc/{self._leader}/root/proc/1").exists():
            self._leader = None
        if self._leader is None:
            self._leader = self._chassis.leader()
        return self._leader

    def path(self, path: str) -> Path:
        """A file of the node as this machine reaches it."""
        return Path(f"/proc/{self._leader or self.leader() or 'none'}/root{path}")

    def read(self, path: str) -> str:
        """A file's text, empty when there is none."""
        try:
            return self.path(path).read_text(errors="replace")
        except OSError:
            return ""

    def pids(self) -> list[int]:
        """The node's processes, as the node numbers them."""
        try:
            return [int(entry) for entry in os.listdir(self.path("/proc")) if entry.isdigit()]
        except OSError:
            return []

    def words(self, pid: int) -> list[str]:
        """A process's command line."""
        return self.read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")

    def find(self, *parts: str) -> Iterator[int]:
        """The processes whose command line has all these parts."""
        for pid in self.pids():
            line = " ".join(self.words(pid))
            if all(part in line for part in parts):
                yield pid

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The program as this machine starts it on the node. Raises CommandError without power."""
        leader = self.leader()
        if leader is None:
            raise CommandError(f"{self.name} has no power")
        enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--"]
        return [*enter, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", *argv]

    def run(self, argv: Sequence[str], **how: Any) -> CommandResult:
        """Run a program on the node: a Runner. A graph that crm_simulate is to save is had here, where it is read."""
        return fetching(lambda words, **more: run(self.argv(words), **more))(argv, **how)

    def kill(self, pids: Sequence[int]) -> int:
        """End processes at once. Returns how many of them there were."""
        if pids:
            with suppress(CommandError):  # some may be gone
                self.run(["kill", "-KILL", *map(str, pids)])
        return len(pids)

    def dead(self) -> bool:
        """Whether its power is off and nothing of it is left, so that it can be switched on."""
        return not self._chassis.is_on()

    def cut_power(self) -> None:
        """What the power controller does for "off", without the way there: a switch-over lasts milliseconds."""
        leader = self.leader()
        if leader is not None:
            os.kill(leader, signal.SIGKILL)
