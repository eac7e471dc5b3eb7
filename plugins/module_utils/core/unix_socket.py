# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unix sockets that get their name only once they answer: whoever sees the name is not turned away."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

__all__ = ["listen"]


def listen(path: Path, *, mode: int = 0o600, group: int | None = None, backlog: int = 128) -> socket.socket:
    """A socket that listens at ``path``, in the place of any that had this name. Raises OSError.

    It is bound within a folder that is nobody else's, given its owner and its rights there, and renamed once it
    listens. ``group`` is the number of its group, this process's own when not told.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            draft = Path(folder, "s")
            listener.bind(str(draft))
            if group is not None:
                os.chown(draft, -1, group)
            draft.chmod(mode)
            listener.listen(backlog)
            os.replace(draft, path)
    except BaseException:
        listener.close()
        raise
    return listener
