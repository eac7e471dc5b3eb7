# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Very many migrations of one VM in a row, under one open session that must notice none of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .figures import Spread
from .ways import Drover

if TYPE_CHECKING:
    from .__main__ import Bench

__all__ = ["Counter", "run"]

#: The memory is summed up after so many migrations, which takes the VM seconds.
_SUM_EVERY = 20
#: Failures after which there is nothing more to learn.
_ENOUGH = 10


class Counter(threading.Thread):
    """A session in which the VM's counter comes: every number once, in order. ``broken`` tells what was wrong."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self.first: int | None = None
        self.last = 0
        self.silence = 0.0
        self.broken: str | None = None

    @classmethod
    def listen(cls, address: str) -> Counter:
        connection = socket.create_connection((address, 9), 5)
        # One that was started anew says nothing, not even that it does not know the session.
        connection.settimeout(30)
        connection.sendall(b"count\n")
        counter = cls(connection)
        counter.start()
        return counter

    def run(self) -> None:
        heard = time.monotonic()
        try:
            for line in self._connection.makefile("rb"):
                now = time.monotonic()
                # What has piled up while nobody listened comes at once.
                self.silence = max(self.silence, now - heard) if self.first is not None else 0.0
                heard = now
                self._take(line)
                if self.broken:
                    return
            self.broken = f"closed by the VM after {self.last}"
        except OSError as error:
            self.broken = f"{error.strerror or error} after {self.last}"

    def _take(self, line: bytes) -> None:
        number = int(line)
        if self.first is None:
            self.first = number
        elif number != self.last + 1:
            self.broken = f"{number} came after {self.last}"
            return
        self.last = number

    @property
    def count(self) -> int:
        """Numbers that came, all in order."""
        return 0 if self.first is None else self.last - self.first + 1


def run(bench: Bench, count: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Migrate ``count`` times through Pacemaker. Whatever fails is told, and the next follows."""
    way, rig = Drover(), bench.rig
    vm = rig.vms[way.vm]
    bench.prepare(vm)
    boot, memory = vm.boot(), vm.ask("sum")
    counter = Counter.listen(vm.address)
    numbers, done, pauses = 0, 0, list[float]()
    failures: list[str] = []
    silence = 0.0
    try:
        while done < count and len(failures) < _ENOUGH:
            source, target = bench.hop(vm)
            bench.events.forget()
            begun, error, _placed = way.move(rig, source, target, bench.patience)
            passed = None if error else bench.events.passage(vm.name, source, target, begun, bench.patience)
            if error is None and passed is None:
                error = f"not at {target} after {bench.patience:.0f} s"
            way.settle(rig, source, target, error)
            done += 1
            wrong = [error] if error else []
            if passed:
                pauses.append((passed[1] - passed[0]) * 1000)
            if vm.boot() != boot:
                wrong.append("the VM was started anew")
                bench.prepare(vm)
                boot, memory = vm.boot(), vm.ask("sum")
            if (done % _SUM_EVERY == 0 or done == count) and vm.ask("sum") != memory:
                wrong.append("its memory is not what it was")
            if counter.broken:
                wrong.append(f"the session: {counter.broken}")
                numbers += counter.count
                silence = max(silence, counter.silence)
                counter = Counter.listen(vm.address)
            failures += [f"migration {done}, {source} to {target}: {what}" for what in wrong]
            spread = Spread.of(pauses)
            if wrong or done % _SUM_EVERY == 0 or done == 1:
                typical = f", pause p50 {spread.p50:.0f}, max {spread.max:.0f} ms" if spread else ""
                say(f"{done}/{count}, {len(failures)} failures, number {counter.last}{typical} " + "; ".join(wrong))
    except KeyboardInterrupt:
        say("interrupted")
    spread = Spread.of(pauses)
    numbers += counter.count
    silence = max(silence, counter.silence)
    if spread:
        say(
            f"{done} migrations, {len(failures)} failures, {numbers} numbers in order, longest silence "
            f"{silence * 1000:.0f} ms, pause p50 {spread.p50:.0f}, p95 {spread.p95:.0f}, max {spread.max:.0f} ms"
        )
    return {
        "asked": count,
        "done": done,
        "failures": failures,
        "numbers": numbers,
        "longest_silence_ms": round(silence * 1000),
        "pause_ms": asdict(spread) if spread else None,
        "pauses_ms": [round(pause, 1) for pause in pauses],
    }
