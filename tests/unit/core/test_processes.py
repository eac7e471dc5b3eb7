# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel tells of a process."""

from __future__ import annotations

import os
import signal
import subprocess

from ansible_collections.cspp.drover.plugins.module_utils.core import processes


def test_a_process_that_was_stopped_by_a_signal_is_held() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert not processes.is_held(process.pid)
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            assert processes.is_held(process.pid)
        finally:
            process.kill()
    assert not processes.is_held(process.pid)
