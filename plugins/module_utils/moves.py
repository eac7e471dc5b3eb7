# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The moves under way that leave this node, as their agents see them: a small file each, for whoever watches.

A file names the process that writes it, so that one whose writer is dead counts for nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["arrived", "done", "progress", "read_all", "take"]

_FOLDER = Path("/run/drover/moves")


def progress(guest: str, *, folder: Path | None = None, **fields: Any) -> None:
    """Say how far a guest's move is.

    ``fields`` are kind, from, to, phase, percent (0 to 100), rate (bytes a second), round, remaining (bytes) and
    pause_ms (what is expected).
    """
    writer = {"written": time.time(), "pid": os.getpid(), "begun": _begun(os.getpid())}
    _write((folder or _FOLDER) / f"{guest}.json", {"guest": guest, **writer, **fields})


def done(guest: str, *, folder: Path | None = None) -> None:
    """The move is over."""
    ((folder or _FOLDER) / f"{guest}.json").unlink(missing_ok=True)


def read_all(*, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """The moves under way, by guest."""
    moves = {}
    for path in (folder or _FOLDER).glob("*.json"):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            alive = _begun(entry["pid"]) == entry["begun"]
        except (OSError, ValueError, KeyError):
            continue  # ended just now
        if alive:
            moves[path.stem] = entry
    return moves


def arrived(guest: str, report: Mapping[str, Any], *, folder: Path | None = None) -> None:
    """Keep at the target what the source knows of a move, for the target's agent to complete."""
    _write((folder or _FOLDER) / "arrived" / f"{guest}.json", report)


def take(guest: str, *, folder: Path | None = None) -> dict[str, Any]:
    """What the source told of a move to here; empty when it told nothing. It is told once."""
    path = (folder or _FOLDER) / "arrived" / f"{guest}.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    except (OSError, ValueError):
        return {}
    return report


def _write(path: Path, entry: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.{os.getpid()}")
    draft.write_text(json.dumps(entry), encoding="utf-8")
    draft.rename(path)


def _begun(pid: int) -> int:
    """When a process began, in the kernel's ticks: tells it from a later one with its number."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
