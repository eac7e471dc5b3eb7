# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Notes on this node of a VM whose disk goes to another pool: that QEMU copies it, and that the VM is held meanwhile.

For the VM's agent, which is cheap to ask here and dear to ask of QEMU. Neither outlives the node, and neither does the
VM's process, which they are about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.atomic import write

__all__ = ["copying", "forget", "held", "note_copy", "note_hold", "told"]

_FOLDER = Path("/run/drover/disks")


def note_copy(name: str) -> None:
    """Say that QEMU copies a disk of the VM. Raises OSError."""
    _write(f"{name}.copying", {})


def note_hold(name: str, target: str, goal: Mapping[str, Any]) -> None:
    """Say that the VM is held while its disk ``target`` changes over to ``goal``, a definition's source."""
    _write(f"{name}.held", {"target": target, "to": dict(goal)})


def copying(name: str) -> bool:
    """Whether QEMU may be copying a disk of the VM."""
    return (_FOLDER / f"{name}.copying").exists()


def held(name: str) -> bool:
    """Whether the VM may be held."""
    return (_FOLDER / f"{name}.held").exists()


def told(name: str) -> tuple[str, dict[str, Any]] | None:
    """The disk and its goal that the VM is held for; None for one that is not. Raises OSError, ValueError."""
    try:
        note = json.loads((_FOLDER / f"{name}.held").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(note["target"]), dict(note["to"])


def forget(name: str, *, copy: bool = False) -> None:
    """Take the note back that the VM is held, or that a disk of it is copied."""
    (_FOLDER / f"{name}.{'copying' if copy else 'held'}").unlink(missing_ok=True)


def _write(name: str, note: Mapping[str, Any]) -> None:
    _FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(_FOLDER / name, json.dumps(note))
