# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who watches while a guest moves: where the move is, and whether the guest ever runs twice.

While a VM migrates there are two of its processes, of which one may run. A process runs the VM when the thread of a
virtual CPU takes time on a real one; while the VM is stopped, or waits to come in, that thread sleeps.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from .console import Console

__all__ = ["Instance", "Lifecycle", "Runs", "Watcher", "phase"]

#: Nanoseconds between two looks that virtual CPUs have to work for, to count as running. One with a session to answer
#: works for 1.3 ms and more (emulated); one that waits to come in works twice in all, for 0.5 ms at most.
_WORK = 1_000_000
#: A process that has just been started may become another program; after so many looks what it is is settled.
_SETTLED = 20


class Instance(NamedTuple):
    """One process that is a guest: its node, and its number there with the moment it began."""

    node: str
    pid: int
    begun: str


class Runs:
    """When each instance of one guest ran, by the number of the look. A guest ran twice if an instance ran again after
    another had begun to.

    An instance counts as running from the second look in a row that saw it work.
    """

    def __init__(self) -> None:
        self._worked: dict[Instance, int] = {}
        self._first: dict[Instance, int] = {}
        self._last: dict[Instance, int] = {}
        self.twice: list[str] = []

    def note(self, look: int, working: Collection[Instance]) -> None:
        """What one look saw."""
        for one in working:
            if one in self._first or self._worked.get(one) == look - 1:
                self._first.setdefault(one, look)
                self._last[one] = look
            self._worked[one] = look
        for one in working:
            for other, begun in self._first.items():
                # In the look of the switch-over itself both did.
                if other != one and self._first.get(one, look) < begun < look == self._last.get(one):
                    self._say(f"on {one.node} after it had begun on {other.node}")

    def _say(self, text: str) -> None:
        if text not in self.twice:
            self.twice.append(text)


class Watcher(threading.Thread):
    """Looks at every node ``rate`` times a second from ``start()`` to ``stop()``."""

    def __init__(self, guest: str, consoles: Mapping[str, Console], rate: float = 12.0) -> None:
        super().__init__(daemon=True)
        self.guest, self.consoles, self.interval = guest, consoles, 1 / rate
        self.runs = Runs()
        self.looks = 0
        self.containers = 0
        self._looked: dict[tuple[str, int], int] = {}
        self._found: dict[Instance, int] = {}
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            begun = time.monotonic()
            self.look()
            self._ending.wait(max(0.0, self.interval - (time.monotonic() - begun)))

    def stop(self) -> list[str]:
        """Tell where the guest ran twice."""
        self._ending.set()
        self.join(timeout=10)
        twice = self.runs.twice
        return [*twice, f"{self.containers} containers at once"] if self.containers > 1 else twice

    def look(self) -> None:
        """One look."""
        self.looks += 1
        working, containers = [], 0
        present: set[tuple[str, int]] = set()
        for console in self.consoles.values():
            for pid in console.pids():
                present.add((console.name, pid))
                looked = self._looked.get((console.name, pid), 0)
                if looked >= _SETTLED:
                    continue
                words = console.words(pid)
                if words[0].startswith("[lxc monitor]"):
                    # Its child has its name until it has become the container's init.
                    containers += words[0].split()[-1] == self.guest and _field(console, pid, 1) == "1"
                elif "qemu-system" in words[0]:
                    if any(word.startswith(f"guest={self.guest},") for word in words):
                        working += self._at_work(Instance(console.name, pid, _field(console, pid, 19)), console)
                else:
                    self._looked[console.name, pid] = looked + 1
        self._looked = {key: looks for key, looks in self._looked.items() if key in present}
        self.containers = max(self.containers, containers)
        self.runs.note(self.looks, working)

    def _at_work(self, one: Instance, console: Console) -> list[Instance]:
        work = _work(console, one.pid)
        before, self._found[one] = self._found.get(one, work), work
        return [one] if work - before > _WORK else []


class Lifecycle(threading.Thread):
    """Hears what libvirt tells of a VM on its node: ``suspended`` is set when it stops for its move."""

    def __init__(self, guest: str, console: Console) -> None:
        super().__init__(daemon=True)
        self.suspended = threading.Event()
        self.gone = threading.Event()
        argv = ["stdbuf", "-oL", "virsh", "event", "--domain", guest, "--event", "lifecycle", "--loop"]
        self._virsh = subprocess.Popen(
            console.argv(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.start()

    def run(self) -> None:
        assert self._virsh.stdout is not None
        for line in self._virsh.stdout:
            if "Suspended" in line:
                self.suspended.set()
            if "Stopped" in line:
                self.gone.set()

    def stop(self) -> None:
        # With the program on the node, which is a child of the one that went there.
        with suppress(ProcessLookupError):
            os.killpg(self._virsh.pid, signal.SIGKILL)
        self._virsh.wait(timeout=5)
        self.join(timeout=5)


def phase(guest: str, console: Console) -> str:
    """Where the guest's move away from this node is by its agent's word, as "copying 40%"; empty for no move."""
    text = console.read(f"/run/drover/moves/{guest}.json")
    try:
        entry: dict[str, Any] = json.loads(text)
    except ValueError:
        return ""
    if not console.path(f"/proc/{entry['writer']['pid']}").exists():
        return ""
    return f"{entry['phase']} {entry.get('percent', 0)}%"


def _work(console: Console, pid: int) -> int:
    """Nanoseconds that the virtual CPUs of a VM have worked."""
    total = 0
    with suppress(OSError):
        for task in console.path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError):
                if task.joinpath("comm").read_text().startswith("CPU "):
                    total += int(task.joinpath("schedstat").read_text().split()[0])
    return total


def _field(console: Console, pid: int, number: int) -> str:
    """A field of proc_pid_stat(5), counted behind the name in brackets: 1 is the parent, 19 when it began."""
    fields = console.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[number] if len(fields) > number else ""
