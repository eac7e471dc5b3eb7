# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of moves, of which every member keeps the whole.

An entry is a JSON object, a move's record: ``id``, ``guest``, ``kind``, ``from``, ``to``, ``started`` and ``ended``
(ISO 8601, UTC), ``result`` ("moved" or "failed"), ``reason``, ``seconds``, ``downtime_ms``, ``rounds``, ``bytes``,
``path``, ``policy`` and ``forwarded``. What was done about a node's power is an entry with ``node`` in place of a guest
(see power.py); so is what people did through the console, with ``kind``, ``by`` and ``origin`` (see
steward/records.py). Entries are never changed, so two journals that differ are merged
by their ids. Whoever records a move or reads the journal first compares its own with those of all members that
answer, and each of the two gives the other what it lacks: so a member that was away catches up, and what it alone
knew is known again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import syslog
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.atomic import write
from ..core.lock import locked
from ..core.node_name import node_name
from ..core.parallel import side_by_side
from ..core.wait import WaitTimeout
from ..peer.channel import Peer, PeerError

__all__ = ["Book", "Entry", "Since", "failure", "members", "read", "record", "service", "stamp"]

Entry = dict[str, Any]

_FOLDER = Path("/var/lib/drover/journal")
#: Moves that are kept, and how many more the file may hold before it is written anew.
_MOST, _SLACK = 10_000, 500
_PLAIN = re.compile(r"[0-9A-Za-z.:+-]{1,64}")
_LINE = re.compile(rb'\{"started":"(?P<started>[^"]*)","id":"(?P<id>[^"]*)",.*\}')
#: Seconds that all other members together may take.
_PATIENCE = 2.0
#: Seconds for another process here to write down what it knows.
_LOCK_PATIENCE = 10.0
#: Bytes of all entries together, some ten times what they are.
_LONGEST = 1 << 27


class Book:
    """The journal as this node has it: a file with an entry per line.

    Who records a move waits for it, so lines are compared by their beginnings alone, unread: with ten thousand of them
    that is a tenth of the time.
    """

    def __init__(self, folder: Path = _FOLDER, most: int = _MOST, slack: int = _SLACK) -> None:
        self.path = folder / "moves.jsonl"
        self._most, self._slack = most, slack

    def lines(self) -> dict[str, bytes]:
        """The newest entries as they are written, by id, the newest last."""
        return self._newest(self._written())

    def entries(self) -> list[Entry]:
        """The newest entries, the newest last."""
        return _parsed(self.lines().values())

    def add(self, entries: Iterable[Any]) -> dict[str, bytes]:
        """Write down those that are new here, on the disk; tells what there is then, as ``lines`` does."""
        with self._locked():
            written = self._written()
            have = self._newest(written)
            new = {entry["id"]: _line(entry) for entry in entries if _sound(entry) and entry["id"] not in have}
            have = self._newest([*have.values(), *new.values()])
            # What is older than all that is kept would be dropped again, and offered again the next time.
            fresh = [line for key, line in new.items() if key in have]
            if len(written) + len(fresh) > self._most + self._slack:
                write(self.path, b"".join(line + b"\n" for line in have.values()))
            elif fresh:
                self._append(fresh)
            return have

    def _written(self) -> list[bytes]:
        try:
            return self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []

    def _newest(self, lines: Iterable[bytes]) -> dict[str, bytes]:
        found: dict[tuple[bytes, bytes], bytes] = {}
        for line in lines:
            match = _LINE.fullmatch(line)  # not the last line of a node that lost its power
            if match:
                found.setdefault((match["started"], match["id"]), line)
        return {key[1].decode(): found[key] for key in sorted(found)[-self._most :]}

    def _append(self, lines: Iterable[bytes]) -> None:
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as held:
            try:
                what = "the end of another process that writes to the journal"
                held.enter_context(locked(folder / "lock", _LOCK_PATIENCE, what=what, interval=0.01))
            except WaitTimeout as error:
                raise TimeoutError(str(error)) from error
            yield


def stamp(when: float | None = None) -> str:
    """A moment as the journal has it: ISO 8601, UTC, to the millisecond. ``when`` is unix time, now if None."""
    moment = datetime.fromtimestamp(time.time() if when is None else when, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def failure(
    kind: str,
    guest: str,
    source: str | None,
    target: str | None,
    reason: str,
    *,
    since: float | None = None,
    report: Mapping[str, Any] | None = None,
) -> Entry:
    """The record of a move that failed, which has ended now.

    ``kind`` is "vm" or "container", ``since`` unix time, now if None. ``report`` is what the source told of the move,
    if anything; how it ended is not the source's to say.
    """
    known = {"guest": guest, "kind": kind, "from": source, "to": target, "started": stamp(since), **(report or {})}
    return {**known, "ended": stamp(), "result": "failed", "reason": reason}


def record(entry: Mapping[str, Any], book: Book | None = None, others: Sequence[str] | None = None) -> None:
    """Write down a move, here and on every other member that answers within two seconds.

    ``guest`` and ``started`` have to be there; without an ``id`` it gets one. What goes wrong is told to the system's
    log alone: it must not make a failure of a move.
    """
    book = book or Book()
    entry = {"id": uuid.uuid4().hex, **entry}
    if not _sound(entry):
        syslog.syslog(syslog.LOG_WARNING, f"this is no record of a move, and not kept: {entry}")
    try:
        book.add([entry])
    except OSError as error:
        syslog.syslog(syslog.LOG_WARNING, f"a move could not be written to the journal on this node: {error}")
    _exchange(book, members() if others is None else others, [entry])


def read(
    guest: str | None = None, limit: int | None = None, book: Book | None = None, others: Sequence[str] | None = None
) -> list[Entry]:
    """What all members that answer know of the moves, of one guest or all: the last ``limit`` or all, newest last."""
    book = book or Book()
    _exchange(book, members() if others is None else others)
    found = [entry for entry in book.entries() if guest in (None, entry.get("guest"))]
    return found[-limit:] if limit else found


class Since:
    """What is recorded from the moment on in which this is made."""

    def __init__(self, look: Callable[[], list[Entry]] = lambda: read()) -> None:
        self._look = look
        self._known = {entry["id"] for entry in look()}

    def entries(self, guests: Collection[str]) -> list[Entry]:
        """The moves of these guests, the newest last."""
        return [entry for entry in self._look() if entry["id"] not in self._known and entry.get("guest") in guests]


def service(request: Mapping[str, Any], peer: Peer, book: Book | None = None) -> None:
    """Take another member's new entries; when the journals still differ, give each other what is missing."""
    book = book or Book()
    mine = book.add(request["entries"])
    same = _digest(mine) == request["digest"]
    peer.send({"same": same})
    if not same:
        _say(peer, list(mine))
        theirs = _hear(peer)
        try:
            book.add(theirs["entries"])
        finally:
            # The last word: who has it knows that both have everything. A full disk here still tells what is known.
            _say(peer, _parsed(mine[wanted] for wanted in theirs["want"] if wanted in mine))


def members() -> list[str]:
    """The other members of the cluster that are up, as far as this one knows."""
    from ..cluster.pacemaker import ClusterError, Pacemaker

    try:
        nodes = Pacemaker().status().nodes
    except ClusterError:
        return []
    return [node.name for node in nodes if node.online and node.name != node_name()]


def _exchange(book: Book, others: Sequence[str], entries: Sequence[Entry] = ()) -> None:
    """Bring this node's journal and each of the others to the same, all at a time; who does not answer is left out."""

    def exchange(node: str) -> None:
        with suppress(PeerError, OSError, ValueError, KeyError, TypeError):
            _exchange_with(node, book, entries)

    side_by_side(exchange, others, patience=_PATIENCE)


def _exchange_with(node: str, book: Book, entries: Sequence[Entry]) -> None:
    mine = book.lines()
    request = {"do": "journal", "entries": list(entries), "digest": _digest(mine)}
    with Peer.connect(node, request, _PATIENCE) as peer:
        if peer.receive()["same"]:
            return
        theirs = set(_hear(peer))
        missing = _parsed(line for known, line in mine.items() if known not in theirs)
        _say(peer, {"entries": missing, "want": sorted(theirs - mine.keys())})
        book.add(_hear(peer))


def _say(peer: Peer, content: Any) -> None:
    peer.send_block(json.dumps(content).encode())


def _hear(peer: Peer) -> Any:
    try:
        return json.loads(peer.receive_block(_LONGEST))
    except RecursionError as error:
        raise ValueError("the other node says something too deep") from error


def _sound(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("guest", entry.get("node")), str)
        and all(_PLAIN.fullmatch(str(entry.get(key))) for key in ("id", "started"))
    )


def _line(entry: Entry) -> bytes:
    """An entry as it is written: what it is found by comes first."""
    return json.dumps({"started": entry["started"], "id": entry["id"], **entry}, separators=(",", ":")).encode()


def _parsed(lines: Iterable[bytes]) -> list[Entry]:
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _digest(ids: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
