# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks between processes of one node. A lock goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .wait import wait_for

__all__ = ["LOCKS", "locked"]

#: The folder of locks. Root's alone: who can open a lock can hold it.
LOCKS = Path("/run/drover/locks")


@contextmanager
def locked(path: Path, patience: float, *, what: str, interval: float = 0.1) -> Iterator[None]:
    """Hold the lock at ``path``. Waits for it ``patience`` seconds, then raises WaitTimeout about ``what``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def taken() -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        wait_for(taken, bool, what=what, timeout=patience, interval=interval)
        yield
    finally:
        os.close(number)
