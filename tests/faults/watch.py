# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a guest's move is, by its agent's word and by libvirt's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.lab.console import Console

__all__ = ["Lifecycle", "phase"]


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
