# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far the moves of guests are, told by the agents that carry them out to whoever watches.

A move is a small file on each node that works on it, which counts for as long as the process lives that wrote it. Its
fields: ``guest``, ``id`` of its record to be, ``kind``, ``from``, ``to``, ``phase`` (see PHASES), ``percent``,
``total`` and ``remaining`` in bytes, ``rate`` in bytes a second, ``round``, ``pause_ms`` as expected, ``since`` as unix
time. All but the guest may be missing. What an agent left that died stays until somebody has put it on record
(:func:`abandoned`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.atomic import write
from ..core.parallel import side_by_side
from ..core.processes import born, lives

if TYPE_CHECKING:
    from ..cluster.status import ClusterStatus
    from ..peer.channel import Peer

__all__ = [
    "PHASES",
    "abandoned",
    "arrived",
    "done",
    "gather",
    "note_death",
    "progress",
    "read_all",
    "service",
    "take",
    "under_way",
    "unheard",
]

#: In the order in which a move goes through them.
PHASES = ("setup", "copying disks", "copying", "post-copy", "last difference", "failed")

_FOLDER = Path("/run/drover/moves")
#: Seconds within which the target's agent asks for what the source told, unless nobody calls it any more.
_UNHEARD = 30.0
#: Seconds that have to be left for a word to the journal that may as well be said later.
_RECORD_AT_LEISURE = 15.0
#: Seconds for a node to tell its moves.
_PATIENCE = 1.5


def progress(guest: str, *, folder: Path | None = None, **fields: Any) -> None:
    """Tell how far a guest's move is. Never fails: a move matters more than a word about it."""
    writer = {"pid": os.getpid(), "born": born(os.getpid()), "at": time.time()}
    with suppress(OSError):
        _write((folder or _FOLDER) / f"{guest}.json", {"guest": guest, **fields, "writer": writer})


def done(guest: str, *, folder: Path | None = None) -> None:
    """The move is over, one way or the other."""
    with suppress(OSError):
        ((folder or _FOLDER) / f"{guest}.json").unlink(missing_ok=True)


def read_all(*, folder: Path | None = None) -> list[dict[str, Any]]:
    """The moves that this node is working on. What a process left that died is not one."""
    found = [_read(path) for path in sorted((folder or _FOLDER).glob("*.json"))]
    return [move for move in found if move and _lives(move)]


def abandoned(guest: str, *, folder: Path | None = None) -> dict[str, Any]:
    """What was told last of a guest's move by a process that has died since; empty without one. Then :func:`done`."""
    path = (folder or _FOLDER) / f"{guest}.json"
    move = _read(path)
    if path.exists() and not move:
        done(guest, folder=folder)  # it says nothing
    return {} if move and _lives(move) else move


def note_death(kind: str, guest: str, left: float, went_on: Callable[[str], bool] = lambda _target: False) -> None:
    """Put a guest's move on record whose agent died here before it could.

    ``kind`` is "vm" or "container". ``left`` are the seconds that the caller has: who waits for its answer does not
    wait for the journal, which may take its time. There is a next time. ``went_on`` says whether the guest has got to
    the target all the same, as a VM may, with which libvirt goes on without the agent. Raises what it raises when
    nobody can tell yet: the move is then still to be put on record.
    """
    move = abandoned(guest)
    if not move or left < _RECORD_AT_LEISURE:
        return
    from ..journal import book

    killed = f"its agent was killed ({move.get('phase')})"
    source, target = move.get("from"), move.get("to")
    # By its id it is known if it was recorded all the same.
    report = {"id": move["id"]} if move.get("id") else None
    entry = book.failure(kind, guest, source, target, f"{killed} on {source}", since=move.get("since"), report=report)
    if target and went_on(str(target)):
        entry.update(result="moved", reason="", path=[killed])
    book.record(entry)
    done(guest)


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


def unheard(guest: str, *, folder: Path | None = None, age: float = _UNHEARD) -> bool:
    """Whether the source told of a move to here so many seconds ago, and nobody has asked."""
    try:
        told = ((folder or _FOLDER) / "arrived" / f"{guest}.json").stat().st_mtime
    except OSError:
        return False
    return time.time() - told > age


def gather(nodes: Sequence[str]) -> list[dict[str, Any]]:
    """The moves that any of these nodes is working on, one per guest: what was said last."""
    from ..peer.channel import PeerError, ask  # whoever tells of a move asks nobody

    def hear(node: str) -> list[dict[str, Any]]:
        with suppress(PeerError, KeyError):
            return list(ask(node, {"do": "progress"}, _PATIENCE)["moves"])
        return []

    answers = side_by_side(hear, nodes, patience=_PATIENCE).values()
    newest: dict[str, dict[str, Any]] = {}
    for move in sorted((move for moves in answers for move in moves), key=lambda move: move["writer"]["at"]):
        newest[move["guest"]] = move
    return [newest[guest] for guest in sorted(newest)]


def under_way(status: ClusterStatus) -> list[dict[str, Any]]:
    """The moves that nodes are working on, if the cluster does anything at all: asking costs a connection to each."""
    busy = any(resource.pending for resource in status.resources)
    return gather([node.name for node in status.nodes if node.online]) if busy else []


def service(_request: Mapping[str, Any], peer: Peer) -> None:
    """Tell another node what this one is working on."""
    peer.send({"moves": read_all()})


def _write(path: Path, entry: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(path, json.dumps(entry))


def _read(path: Path) -> dict[str, Any]:
    """What a file says; empty when that is no move, or it is gone by now."""
    try:
        move = json.loads(path.read_text(encoding="utf-8"))
        return move if {"pid", "born"} <= move["writer"].keys() else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _lives(move: Mapping[str, Any]) -> bool:
    return lives(move["writer"]["pid"], move["writer"]["born"])
