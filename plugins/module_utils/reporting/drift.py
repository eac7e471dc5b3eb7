# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drift: what guests.yml would change now if it were run with the declaration that it was run with last.

The last declaration lies on every node that took part in that run, with the git commit that it came from. That a node
has the last one, it knows by the journal, which all nodes have: one that was away has an older one, and says so. What
differs is computed as guests.yml computes it (cluster/guests.py, cluster/reconciliation.py), without asking anybody.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..cluster.cib import read
from ..cluster.guests import GuestSpec, plan_guests
from ..cluster.objects import PREFIX
from ..cluster.reconciliation import reconcile
from ..cluster.recovery import Recovery
from ..cluster.status import ClusterStatus
from ..core.atomic import write
from ..core.errors import DroverError
from ..core.node_name import node_name
from ..core.stamp import stamp_of
from ..journal import book
from ..journal.book import Entry

__all__ = ["FILE", "UNKNOWN", "Remembered", "drift", "keep", "reminder"]

FILE = Path("/var/lib/drover/declared.json")
_KIND = "declaration"
#: What of a guest's specification JSON has as lists.
_TUPLES = ("prefer", "apart_from", "together_with")
_AGAIN = "ansible-playbook playbooks/guests.yml"
#: Where the cluster cannot be asked.
UNKNOWN: Mapping[str, Any] = {
    "commit": None,
    "dirty": None,
    "at": None,
    "drift": None,
    "unknown": "the cluster does not run here",
}


def keep(
    specs: Sequence[GuestSpec],
    source: Mapping[str, Any],
    *,
    tell: bool,
    path: Path = FILE,
    entries: Callable[[], list[Entry]] = lambda: book.Book().entries(),
    record: Callable[[Mapping[str, Any]], None] = book.record,
) -> None:
    """Keep what guests.yml has just declared. ``source`` has the ``commit`` that it came from, None for none, and
    whether that was ``dirty``. One of the nodes is to ``tell`` the journal. Raises OSError."""
    said = {**source, "guests": [asdict(spec) for spec in specs]}
    said["digest"] = _digest(said["guests"])
    text = json.dumps(said, separators=(",", ":"))
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write(path, text)
    known = {"commit": source["commit"], "dirty": source["dirty"], "digest": said["digest"]}
    last = _last(entries())
    if tell and (last is None or {key: last.get(key) for key in known} != known):
        who = {"id": uuid.uuid4().hex, "kind": _KIND, "node": node_name(), "started": book.stamp()}
        record({**who, "result": "declared", "reason": f"guests: {len(specs)}, {_of(known)}", **known})


def drift(cib: str, status: ClusterStatus, entries: Iterable[Entry], path: Path = FILE) -> dict[str, Any]:
    """What is declared and whether it is so: ``commit`` and ``dirty`` of the last declaration and ``at``, its time;
    ``drift``, what guests.yml would change, as phrases by guest; None when nobody can tell, ``unknown`` being why."""
    last = _last(entries)
    if last is None:
        return _unknown(None, "guests.yml has not been run since the nodes remember what it declared")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["digest"] != last["digest"]:
            return _unknown(last, f"{node_name()} was away when guests.yml was run last")
        specs = [_spec(one) for one in said["guests"]]
        difference = reconcile(cib, plan_guests(specs, read(cib), status).wanted)
    except (OSError, ValueError, KeyError, TypeError):
        return _unknown(last, f"{node_name()} has no record of what guests.yml declared last")
    except DroverError as error:
        return _unknown(last, f"guests.yml would refuse: {error.cause}")
    found: dict[str, list[str]] = {}
    for change in difference.changes:
        found.setdefault(_guest(change.id), []).append(str(change))
    return {**_head(last), "drift": dict(sorted(found.items())), "unknown": ""}


class Remembered:
    """The same for who asks all the time: it is computed anew when configuration or declaration have changed."""

    def __init__(self, path: Path = FILE) -> None:
        self._path = path
        self._key: object = None
        self._told: dict[str, Any] = {}

    def __call__(self, cib: str, status: ClusterStatus, entries: Iterable[Entry]) -> dict[str, Any]:
        """What :func:`drift` says."""
        known = list(entries)
        key = (read(cib).version.configuration, (_last(known) or {}).get("id"), stamp_of(self._path))
        if key != self._key:
            self._told, self._key = drift(cib, status, known, self._path), key
        return self._told


def reminder(told: Mapping[str, Any]) -> list[str]:
    """What to say of drift in the status; nothing where there is none, or nobody can tell."""
    if not told["drift"]:
        return []
    which = ", ".join(told["drift"])
    return [
        f"not as declared ({_of(told)}): {which}; to see how, {_AGAIN} --check --diff, and without these to mend it"
    ]


def _of(told: Mapping[str, Any]) -> str:
    """The commit in words."""
    if not told["commit"]:
        return "from no git checkout"
    return f"commit {told['commit'][:12]}{', with changes that are not committed' if told['dirty'] else ''}"


def _last(entries: Iterable[Entry]) -> Entry | None:
    found = None
    for entry in entries:
        if entry.get("kind") == _KIND:
            found = entry
    return found


def _head(last: Entry | None) -> dict[str, Any]:
    known = last or {}
    return {"commit": known.get("commit"), "dirty": known.get("dirty"), "at": known.get("started")}


def _unknown(last: Entry | None, why: str) -> dict[str, Any]:
    return {**_head(last), "drift": None, "unknown": why}


def _spec(said: Mapping[str, Any]) -> GuestSpec:
    more = {name: tuple(said[name]) for name in _TUPLES}
    return GuestSpec(**{**said, **more, "recovery": Recovery(**said["recovery"])})


def _guest(id: str) -> str:
    """The guest that an object of the configuration is about: its resource, or a constraint (drover-KIND-GUEST, and for
    two of them drover-KIND-GUEST.GUEST)."""
    return id.removeprefix(PREFIX).partition("-")[2].partition(".")[0] if id.startswith(PREFIX) else id


def _digest(guests: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(guests, sort_keys=True).encode()).hexdigest()[:20]
