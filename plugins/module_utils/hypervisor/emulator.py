# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM's emulator (its QEMU process) and libvirt's record of it on disk, without asking libvirt's daemon."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["emulator_pid", "kill_emulator", "record_of", "without_dead_job"]

_RUN = Path("/run/libvirt/qemu")
#: In the file in which libvirt keeps what it knows of a running VM: the job of a post-copy that failed at its source.
_DEAD_JOB = re.compile(r"<job type='[^']*' async='migration out' phase='postcopy_failed'.*?</job>\n", re.DOTALL)
_RUNS_AFTER_IT = re.compile(r"(<domstatus state='running' reason=')post-copy failed'")


def emulator_pid(name: str) -> int | None:
    """The process that runs the VM on this node, without asking libvirt; None when there is none."""
    try:
        pid = int((_RUN / f"{name}.pid").read_text(encoding="ascii"))
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if any(word.startswith(f"guest={name},".encode()) for word in argv) else None


def kill_emulator(name: str, deadline_left: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    """End the VM's process without libvirt, by request and after 3 s by force. True when it is gone."""
    pid = emulator_pid(name)
    if pid is None:
        return True
    forced_below = deadline_left() - 3.0
    with suppress(ProcessLookupError):  # it may end by itself at any time
        os.kill(pid, signal.SIGTERM)
    while deadline_left() > 0:
        if emulator_pid(name) is None:
            return True
        if deadline_left() < forced_below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        sleep(0.1)
    return emulator_pid(name) is None


def record_of(name: str) -> Path:
    """The file in which libvirt's daemon keeps what it knows of the running VM."""
    return _RUN / f"{name}.xml"


def without_dead_job(name: str) -> str | None:
    """libvirt's record of the running VM without the job of a post-copy that failed; None when it has none."""
    try:
        known = record_of(name).read_text(encoding="utf-8")
    except OSError:
        return None
    without, runs = _RUNS_AFTER_IT.subn(r"\1migration canceled'", known)
    without, jobs = _DEAD_JOB.subn("<job type='none' async='none'/>\n", without)
    return without if runs and jobs else None
