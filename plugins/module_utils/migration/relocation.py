# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container on shared storage that stops on one node and starts on another, which is a move as well.

Pacemaker tells neither agent that what it does is half of a move. So the one that stops the container leaves word
beside its root file system, and the one that starts it finds that there, and tells the journal.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..core.atomic import write
from ..core.node_name import node_name
from ..core.parallel import side_by_side

__all__ = ["Stop", "leave_word", "take_word"]

_NAME = "stopped.json"
#: Seconds for the storage to take a word.
_PATIENCE = 1.0


class Stop(NamedTuple):
    """The node on which the container stopped, and when it was told to, in unix time."""

    node: str
    at: float


def leave_word(root: Path, at: float, node: str | None = None) -> None:
    """Say that the container with this root file system was told to stop here, at this time.

    Never fails, and does not wait for storage that has gone silent: a stop matters more.
    """
    word = json.dumps(Stop(node or node_name(), at)._asdict())

    def leave(path: Path) -> None:
        with suppress(OSError):
            write(path, word)

    side_by_side(leave, [root.parent / _NAME], patience=_PATIENCE)


def take_word(root: Path, within: float, node: str | None = None) -> Stop | None:
    """The stop on another node, begun within so many seconds, that the start here follows. It is told once.

    None when this is no move: the container was stopped for good, or on this node.
    """
    path = root.parent / _NAME
    try:
        word = json.loads(path.read_text(encoding="utf-8"))
        stop = Stop(str(word["node"]), float(word["at"]))
        path.unlink()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    moved = stop.node != (node or node_name()) and time.time() - stop.at < within
    return stop if moved else None
