# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One at a time, for as long as somebody has patience."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.lock import locked
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout


def test_the_second_waits_and_gives_up(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    with locked(path, 0.0, what="it"):
        start = time.monotonic()
        with pytest.raises(WaitTimeout, match="the end of the first"), locked(path, 0.2, what="the end of the first"):
            pass
        assert 0.2 <= time.monotonic() - start < 2
    with locked(path, 0.0, what="it"):
        pass


def test_a_lock_goes_with_its_process_and_others_cannot_open_it(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    code = f"import fcntl, time; file = open({str(path)!r}, 'r+'); fcntl.flock(file, 2); print(1, flush=True)"
    with locked(path, 0.0, what="it"):
        pass
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with subprocess.Popen([sys.executable, "-c", f"{code}; time.sleep(60)"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WaitTimeout), locked(path, 0.0, what="it"):
            pass
        holder.kill()
    with locked(path, 1.0, what="it"):
        pass
