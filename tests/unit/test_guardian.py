# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a process leaves undone when it is killed, another sets right."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.guardian import Guardian
from ansible_collections.cspp.drover.plugins.module_utils.wait import wait_for


@pytest.mark.parametrize(
    ("words", "killed", "rescued"),
    [("", True, False), ("+", True, True), ("+-", True, False), ("+-+", True, True), ("+-", False, False)],
)
def test_a_rescue_comes_when_it_is_needed(tmp_path: Path, words: str, killed: bool, rescued: bool) -> None:
    done, signs = tmp_path / "done", tmp_path / "signs"
    pid = os.fork()
    if pid == 0:
        try:
            with Guardian(signs.touch) as guardian:
                for word in words:
                    guardian.watch() if word == "+" else guardian.rest()
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)
            done.touch()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert done.exists() is not killed
    if rescued:
        wait_for(signs.exists, bool, what="the rescue", timeout=5, interval=0.02)
    assert signs.exists() is rescued
