# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Double runs of a lab's guests, watched for from outside of the nodes.

While a VM migrates there are two of its processes, of which one may run. A process runs the VM when the thread of a
virtual CPU takes time on a real one; while the VM is stopped, or waits to come in, that thread sleeps.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple

from .console import Console

__all__ = ["Instance", "Runs", "Watcher"]

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
    """Looks for guests on every node ``rate`` times a second from ``start()`` to ``stop()``."""

    def __init__(self, guests: Collection[str], consoles: Mapping[str, Console], rate: float = 12.0) -> None:
        super().__init__(daemon=True)
        self.consoles, self.interval = consoles, 1 / rate
        self.runs = {guest: Runs() for guest in guests}
        self.looks = 0
        self.containers = dict.fromkeys(guests, 0)
        self._looked: dict[tuple[str, int], int] = {}
        self._found: dict[Instance, int] = {}
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            begun = time.monotonic()
            self.look()
            self._ending.wait(max(0.0, self.interval - (time.monotonic() - begun)))

    def stop(self) -> dict[str, list[str]]:
        """Tell where each guest ran twice."""
        self._ending.set()
        self.join(timeout=10)
        return {
            guest: [*runs.twice, *([f"{most} containers at once"] if (most := self.containers[guest]) > 1 else [])]
            for guest, runs in self.runs.items()
        }

    def look(self) -> None:
        """One look."""
        self.looks += 1
        working: dict[str, list[Instance]] = {guest: [] for guest in self.runs}
        containers = dict.fromkeys(self.runs, 0)
        present: set[tuple[str, int]] = set()
        for console in self.consoles.values():
            for pid in console.pids():
                present.add((console.name, pid))
                looked = self._looked.get((console.name, pid), 0)
                if looked >= _SETTLED:
                    continue
                words = console.words(pid)
                if words[0].startswith("[lxc monitor]"):
                    name = words[0].split()[-1]
                    # Its child has its name until it has become the container's init, which it outlives for a moment.
                    if name in containers and _field(console, pid, 1) == "1" and _has_init(console, pid):
                        containers[name] += 1
                elif "qemu-system" in words[0]:
                    name = _named(words)
                    if name in working:
                        working[name] += self._at_work(Instance(console.name, pid, _field(console, pid, 19)), console)
                else:
                    self._looked[console.name, pid] = looked + 1
        self._looked = {key: looks for key, looks in self._looked.items() if key in present}
        for guest, runs in self.runs.items():
            self.containers[guest] = max(self.containers[guest], containers[guest])
            runs.note(self.looks, working[guest])

    def _at_work(self, one: Instance, console: Console) -> list[Instance]:
        work = _work(console, one.pid)
        before, self._found[one] = self._found.get(one, work), work
        return [one] if work - before > _WORK else []


def _named(words: Collection[str]) -> str:
    """The guest that a QEMU is, by its command line."""
    options = next((word for word in words if word.startswith("guest=")), "")
    return options.removeprefix("guest=").partition(",")[0]


def _work(console: Console, pid: int) -> int:
    """Nanoseconds that the virtual CPUs of a VM have worked."""
    total = 0
    with suppress(OSError):
        for task in console.path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, ValueError):
                if task.joinpath("comm").read_text().startswith("CPU "):
                    total += int(task.joinpath("schedstat").read_text().split()[0])
    return total


def _has_init(console: Console, monitor: int) -> bool:
    """Whether a container's monitor has its first process, which is number 1 in a namespace of its own."""
    children = console.read(f"/proc/{monitor}/task/{monitor}/children").split()
    numbers = (re.search(r"^NSpid:.*\s(\d+)$", console.read(f"/proc/{one}/status"), re.MULTILINE) for one in children)
    return any(found and found[1] == "1" for found in numbers)


def _field(console: Console, pid: int, number: int) -> str:
    """A field of proc_pid_stat(5), counted behind the name in brackets: 1 is the parent, 19 when it began."""
    fields = console.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[number] if len(fields) > number else ""
