# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Operations: intents in the journal, and what has become of them.

An intent is written before anything is done; then a process of its own carries it out and writes the end. If that
process or its node dies, the cluster goes on with the patch, and a steward that notices carries the intent on: the
verbs finish what an earlier run began. So no operation is remembered anywhere but in the journal.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..cluster.pacemaker import Applied, ClusterError
from ..cluster.status import ClusterStatus
from ..core.errors import DroverError, in_words
from ..core.installed import program
from ..core.lock import LOCKS, locked
from ..core.node_name import node_name
from ..core.wait import WaitTimeout
from ..journal import book
from ..journal.book import Entry
from ..reporting.job_log import JobLog
from .actions import Action, Watched, carry_out, substance
from .identity import Caller
from .plans import Draft
from .records import Ledger, seconds_of
from .trouble import Trouble, invalid

__all__ = ["Desk", "document", "key_of", "listed", "to_carry_on", "unfinished", "work"]

#: Seconds after which an intent without an end is looked after, and after which nobody cares for it any more.
_GRACE, _OLD = 10.0, 86_400.0


def _spawn(entry: Mapping[str, Any]) -> None:
    """Begin with an operation in a process that outlives this one."""
    child = subprocess.Popen(
        [program("steward"), "work"], stdin=subprocess.PIPE, start_new_session=True, stdout=subprocess.DEVNULL
    )
    assert child.stdin is not None
    with child.stdin as said:
        said.write(json.dumps(entry).encode())
    threading.Thread(target=child.wait, daemon=True).start()


class Desk:
    """Takes orders, each once however often it is given."""

    def __init__(self, ledger: Ledger, spawn: Callable[[Mapping[str, Any]], None] = _spawn) -> None:
        self._ledger, self._spawn = ledger, spawn
        self._lock = threading.Lock()

    def repeated(self, action: Action, key: str | None, caller: Caller) -> Entry | None:
        """The intent that was written when this order was first given with this key. Raises Trouble when the key was
        used for another."""
        if key is None:
            return None
        digest = key_of(key, caller)
        for entry in reversed(self._ledger.entries("operation")):
            if entry.get("key") == digest:
                if _action(entry) != action:
                    raise invalid("this idempotency key was used for another action", "Take a new one.")
                return entry
        return None

    def order(self, plan: Draft, key: str | None, caller: Caller, origin: str) -> Entry:
        """Write the intent, then begin. Returns the intent."""
        with self._lock:
            known = self.repeated(plan.action, key, caller)
            if known is not None:
                return known
            moves = plan.document["moves"]
            entry: Entry = {
                "id": uuid.uuid4().hex,
                "kind": "operation",
                "node": node_name(),
                "started": book.stamp(),
                "result": "ordered",
                "verb": plan.action.verb,
                "subject": plan.action.subject,
                "target": plan.action.target,
                # Where a move without a target goes.
                "chosen": plan.document["target"],
                "force": plan.action.force,
                **({"changes": plan.action.changes} if plan.action.changes else {}),
                "by": caller.name,
                "origin": origin,
                "plan": plan.hash,
                "steps": [{key: move[key] for key in ("guest", "to", "forecast")} for move in moves],
                "sentences": plan.document["sentences"],
                "key": key_of(key, caller) if key else None,
            }
            self._ledger.write(entry)
        self._spawn(entry)
        return entry

    def carry_on(self, status: ClusterStatus | None) -> list[str]:
        """Begin again with what lost its process; the ids of these."""
        found = to_carry_on(self._ledger, status, time.time())
        for entry in found:
            self._spawn({**entry, "again": True})
        return [entry["id"] for entry in found]


def to_carry_on(ledger: Ledger, status: ClusterStatus | None, now: float) -> list[Entry]:
    """The intents that are this node's to carry on: its own without a process, and, on the leader, those of nodes that
    are gone. ``status`` is None for one that was not looked at: then its own alone."""
    me, found = node_name(), []
    for entry in unfinished(ledger):
        age = now - seconds_of(entry["started"])
        if not _GRACE < age < _OLD:
            continue
        if entry["node"] == me:
            mine = True
        else:
            host = status.node(entry["node"]) if status is not None else None
            gone = host is None or not host.online
            mine = status is not None and status.quorum and status.dc == me and gone
        if mine and not _has_process(entry["id"]):
            found.append(entry)
    return found


def document(
    entry: Mapping[str, Any], end: Mapping[str, Any] | None, status: ClusterStatus | None = None, now: float = 0.0
) -> dict[str, Any]:
    """An operation as people see it, from its intent and its end, if there is one, and where guests are."""
    state, message, remedy = "running", "", ""
    if end is not None:
        state, message, remedy = end["result"], end.get("reason", ""), end.get("remedy", "")
    elif now - seconds_of(entry["started"]) > _OLD:
        state, message = "failed", "nobody has told how it ended"
        remedy = "See where the guests are, and order it again if need be."
    return {
        "id": entry["id"],
        "verb": entry["verb"],
        "subject": entry["subject"],
        "target": entry.get("target"),
        "by": entry.get("by"),
        "from": entry.get("origin"),
        "node": entry["node"],
        "since": entry["started"],
        "state": state,
        "ended": end["started"] if end else None,
        "steps": [_step(step, state, status) for step in entry.get("steps") or ()],
        "message": message or "; ".join(entry.get("sentences") or ()),
        "remedy": remedy,
    }


def listed(ledger: Ledger, look: Callable[[], ClusterStatus], limit: int | None) -> list[dict[str, Any]]:
    """The newest operations as people see them, the newest first. The cluster is asked only for one that runs."""
    entries = ledger.entries("operation")[::-1][:limit]
    ends = {entry.get("operation"): entry for entry in ledger.entries("operation-end")}
    status = None
    if any(entry["id"] not in ends for entry in entries):
        with suppress(ClusterError):
            status = look()
    now = time.time()
    return [document(entry, ends.get(entry["id"]), status, now) for entry in entries]


def work(entry: Mapping[str, Any], ledger: Ledger, cluster: Callable[..., Watched] = Watched) -> None:
    """Carry an operation out, to its end, and write that down. Nothing is done while another process does it, nor after
    one that has: whoever found it unfinished may have looked before that wrote its end."""
    try:
        with locked(_lock_of(entry["id"]), 0.0, what="the end of the same operation"):
            if any(one.get("operation") == entry["id"] for one in ledger.entries("operation-end")):
                return
            log = JobLog(entry["id"])
            result, reason, remedy = _tried(entry, ledger, cluster(saw=log.saw), log)
            said = {"operation": entry["id"], "result": result, "reason": reason, "remedy": remedy}
            ledger.write({"id": f"{entry['id']}.end", "kind": "operation-end", "by": entry.get("by"), **said})
    except WaitTimeout:
        return


def _tried(entry: Mapping[str, Any], ledger: Ledger, cluster: Watched, log: JobLog) -> tuple[str, str, str]:
    """How it ended: result, reason and remedy."""
    action = _action(entry)
    if entry.get("again"):
        if later := _overtaken(entry, ledger):
            return "failed", f"it was interrupted, and {later} was ordered since", ""
        action = _as_ordered(action, entry)
        if action.verb == "migrate" and action.target is None:
            unknown = f"it was interrupted, and where {action.subject} was to go had not been settled"
            return "failed", unknown, "See where it is, and order the move again if need be."

    def judge(applied: Applied[Any]) -> None:
        if substance(action, applied) != entry["plan"]:
            remedy = "Read a new plan, and confirm that."
            raise Trouble("stale_plan", 409, "the cluster has moved on since the plan was read", remedy=remedy)

    # What was interrupted may have had its patch already: then what is left of it is another, and all right.
    if not entry.get("again"):
        cluster.judge = judge
    try:
        result = carry_out(action, cluster, log, check=False)
    except DroverError as error:
        return "failed", error.cause, error.remedy
    except Exception as error:
        return "failed", in_words(error, what="this is a mistake in Drover's code"), "journalctl -u drover-steward"
    return "done", "; ".join(result.get("outcomes") or result.get("plan") or ()), ""


def main() -> int:
    """The process of one operation, which is told it on its standard input."""
    work(json.load(sys.stdin), Ledger())
    return 0


def _overtaken(entry: Mapping[str, Any], ledger: Ledger) -> str:
    """What was ordered later for the same guest or node; empty for nothing."""
    later = [
        one
        for one in ledger.entries("operation")
        if one["subject"] == entry["subject"] and one["started"] > entry["started"]
    ]
    return f"{later[-1]['verb']} of {later[-1]['subject']}" if later else ""


def unfinished(ledger: Ledger) -> Sequence[Entry]:
    """The intents whose end nobody has written down."""
    ended = {entry.get("operation") for entry in ledger.entries("operation-end")}
    return [entry for entry in ledger.entries("operation") if entry["id"] not in ended]


def _step(step: Mapping[str, Any], state: str, status: ClusterStatus | None) -> dict[str, Any]:
    guest = status.resource(step["guest"]) if status else None
    if guest is not None and guest.node == step["to"] and not guest.pending:
        word = "done"
    elif state != "running":
        word = state
    else:
        word = "running" if guest is not None and guest.pending else "waiting"
    return {"text": f"{step['guest']} to {step['to']}", "state": word, "guest": step["guest"], "to": step["to"]}


def _action(entry: Mapping[str, Any]) -> Action:
    changes = entry.get("changes", "")
    return Action(entry["verb"], entry["subject"], entry.get("target"), entry.get("force") is True, changes)


def _as_ordered(action: Action, entry: Mapping[str, Any]) -> Action:
    """The action with the target that its plan had chosen: asked for the best one anew, a guest that is there already
    would be sent on."""
    if action.verb != "migrate" or action.target is not None:
        return action
    steps = [step["to"] for step in entry.get("steps") or () if step["guest"] == action.subject]
    return replace(action, target=entry.get("chosen") or (steps[-1] if steps else None))


def key_of(key: str, caller: Caller) -> str:
    """An idempotency key as the journal has it: another for each who uses it."""
    return hashlib.sha256(f"{caller.name}:{key}".encode()).hexdigest()[:32]


def _lock_of(operation: str) -> Path:
    return LOCKS / f"operation-{operation}"


def _has_process(operation: str) -> bool:
    path = _lock_of(operation)
    if not path.exists():
        return False
    try:
        with locked(path, 0.0, what="the end of an operation"):
            return False
    except WaitTimeout:
        return True
