# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The log of a job: what a module that runs for long tells whoever watches it, because a module can't speak before its
end. A file of lines on the node, which the controller reads once a second (see plugin_utils/progress.py)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..cluster.status import Work
from ..core.errors import InvalidValue
from ..migration import progress
from . import moves

__all__ = ["JobLog", "read"]

_FOLDER = Path("/run/drover/jobs")
_NAME = re.compile(r"[0-9a-f]{32}")
#: Seconds after which nobody reads a log any more.
_OLD = 2 * 86_400


class JobLog:
    """Writes the log of this name; without one nobody watches, and nothing is written. Never fails: the job matters
    more than a word about it."""

    def __init__(
        self,
        name: str | None,
        *,
        folder: Path = _FOLDER,
        gather: Callable[[Sequence[str]], list[dict[str, Any]]] = progress.gather,
    ) -> None:
        self._path = _path(name, folder) if name else None
        self._gather = gather
        self._working: frozenset[Work] = frozenset()
        self._lines = moves.Lines()
        if self._path is not None:
            with suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                for path in folder.iterdir():
                    if time.time() - path.stat().st_mtime > _OLD:
                        path.unlink()

    def say(self, *lines: str) -> None:
        if self._path is None or not lines:
            return
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write("".join(" ".join(line.splitlines()) + "\n" for line in lines))

    def saw(self, working: Sequence[Work]) -> None:
        """Tell what the nodes have begun since the last look, and how far the guests are that they move."""
        if self._path is None:
            return
        begun = [work for work in working if work not in self._working and work.operation != "monitor"]
        self._working = frozenset(working)
        nodes = sorted({work.node for work in working if work.operation.startswith("migrate")})
        moving = self._gather(nodes) if nodes else []
        self.say(*map(str, begun), *self._lines.due(moving, time.monotonic()))


def read(name: str, offset: int, folder: Path = _FOLDER) -> tuple[list[str], int]:
    """The lines that a log has from this byte on, and the offset of what is to come. None before it has begun."""
    try:
        with _path(name, folder).open("rb") as file:
            file.seek(offset)
            whole = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return [], offset
    return whole[0].decode(errors="replace").splitlines(), offset + len(whole[0]) + len(whole[1])


def _path(name: str, folder: Path) -> Path:
    if not _NAME.fullmatch(name):
        raise InvalidValue(f"{name!r} is no name of a job's log")
    return folder / name
