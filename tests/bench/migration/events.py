# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Events of QEMU on all nodes, by which the pause of a migration is measured."""

from __future__ import annotations

import subprocess
import threading
import time

from ...verify.lab import Lab
from .figures import Event, parse_event, passage
from .rig import BenchError

__all__ = ["Events"]


class Events:
    """What the QEMUs of all nodes say, from QEMU itself, whoever moves them. The lab's nodes share one clock."""

    def __init__(self, lab: Lab) -> None:
        self._seen: list[Event] = []
        self._streams = []
        for node in lab.nodes:
            argv = [*lab.ssh_argv(node), "stdbuf -oL virsh qemu-monitor-event --timestamp --loop"]
            stream = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            self._streams.append(stream)
            threading.Thread(target=self._read, args=(node, stream), daemon=True).start()

    def _read(self, node: str, stream: subprocess.Popen[str]) -> None:
        assert stream.stdout is not None
        for line in stream.stdout:
            event = parse_event(node, line)
            if event is not None:
                self._seen.append(event)

    def passage(self, vm: str, source: str, target: str, since: float, patience: float) -> tuple[float, float] | None:
        """When the VM stopped and went on, as soon as it has; None when it has not within ``patience`` seconds."""
        until = time.monotonic() + patience
        while True:
            found = passage(self._seen, vm, source, target, since)
            if found is not None or time.monotonic() > until:
                return found
            if any(stream.poll() is not None for stream in self._streams):
                raise BenchError("a node stopped telling QEMU's events: did its libvirt restart?")
            time.sleep(0.02)

    def forget(self) -> None:
        """Forget what was seen so far."""
        self._seen.clear()

    def close(self) -> None:
        for stream in self._streams:
            stream.terminate()
