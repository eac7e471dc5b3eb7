# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans to read and then confirm. A plan's id holds what was asked, a hash of what would be done, and a signature: any
node can carry it out, and none has to remember it.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cluster.cib import Configuration, read
from ..cluster.pacemaker import Applied
from ..cluster.prediction import Prediction
from ..core.errors import DroverError, InvalidValue
from ..declaration.yaml_patch import fragment, patch, patch_adding
from ..planning.headroom import homeless
from ..reporting.job_log import JobLog
from . import sessions
from .actions import Action, Watched, carry_out, substance
from .overview import epoch_of
from .trouble import Trouble, unknown

__all__ = ["UNJUDGED", "Draft", "draft", "proposal", "read_id"]

_MOVING = ("migrate", "move", "recover")
#: What of a new guest the play alone judges, when it runs.
UNJUDGED = (
    "what is declared and was not carried out yet: addresses and names of such guests are not known here",
    "a CPU model (cpu), and whether the nodes have devices and folders that it names",
    "whether its image can be built and its disks are large enough for that, and whether the pool has room",
    "volumes that are left of an earlier guest of its name",
)


@dataclass(frozen=True)
class Draft:
    """A plan as it was made: its document, and what speaks against it (the error that the verb raised)."""

    action: Action
    hash: str
    document: dict[str, Any]
    refused: DroverError | None

    def allowed(self) -> Draft:
        """Itself. Raises Trouble when something speaks against it."""
        if self.refused is not None:
            beside = {"faults": self.faults} if self.faults else None
            cause, remedy = self.refused.cause, self.refused.remedy
            raise Trouble("refused", 422, cause, remedy=remedy, beside=beside) from self.refused
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """The keys of a guest's YAML that it says, in the order of the documentation."""
        return _ordered(self.action.changes)

    @property
    def faults(self) -> list[dict[str, str]]:
        """What is wrong with a declaration, each with its place in it."""
        from ..core.parse import Unfit

        found = self.refused.problems if isinstance(self.refused, Unfit) else ()
        return [{"path": problem.path, "message": problem.message} for problem in found]


def draft(
    action: Action,
    cluster: Watched,
    keys: Sequence[bytes],
    usable: Callable[[], Sequence[str]],
    *,
    proposed: bool = False,
    told: Mapping[str, Any] | None = None,
) -> Draft:
    """Have the verb predict what it would do. ``usable`` are the nodes that guests may run on. What is ``proposed`` is
    for somebody else to do, a new guest by what role console has ``told``."""
    refused: DroverError | None = None
    result: Mapping[str, Any] = {}
    try:
        result = carry_out(action, cluster, JobLog(None), check=True, proposed=proposed, told=told)
    except DroverError as error:
        refused = error
    applied = cluster.seen
    digest = substance(action, applied)
    force = "force" if action.force else ""
    said = ":".join((action.verb, action.subject, action.target or "", force, _packed(action.changes), digest))
    document: dict[str, Any] = {
        "id": f"{said}:{_mac(said, keys[0])}",
        "epoch": "",
        "action": action.verb,
        "subject": action.subject,
        "target": action.target or result.get("to"),
        "role": action.role,
        "moves": [],
        "starts": [],
        "stops": [],
        "stays": [],
        "unplaced_after": [],
        "sentences": list(result.get("plan") or ()),
        "notes": list(result.get("notes") or ()),
        "refused": str(refused) if refused else None,
        "play": action.play(),
        "curl": action.curl(),
        "yaml": "",
        **({"rooms": result["rooms"]} if "rooms" in result else {}),
    }
    if action.changes and not refused:
        document["yaml"] = fragment(action.subject, _ordered(action.changes))
    if applied is not None:
        document |= _foreseen(action, applied, result, usable())
    return Draft(action, digest, document, refused)


def proposal(plan: Draft, file: str) -> dict[str, Any]:
    """What somebody else is to commit: the change, or a new guest, by itself, as a patch of the file that declares
    guests if that was given, and what would come of it. Raises Trouble for what cannot be."""
    document = plan.allowed().document
    new = plan.action.verb == "create"
    try:
        changed = (patch_adding if new else patch)(file, plan.action.subject, plan.changes) if file else ""
    except InvalidValue as error:
        raise Trouble("refused", 422, error.cause, remedy=error.remedy) from error
    shown = {name: value for name, value in document.items() if name not in ("id", "role")}
    found = {"yaml": document["yaml"], "patch": changed, "plan": shown}
    return {**found, "unjudged": list(UNJUDGED)} if new else found


def read_id(text: str, keys: Sequence[bytes]) -> tuple[Action, str]:
    """What a plan's id asks for, and its hash. Raises Trouble for an id that no node of this cluster gave."""
    said, _colon, signature = text.rpartition(":")
    parts = said.split(":")
    given = any(hmac.compare_digest(_mac(said, key).encode(), signature.encode()) for key in keys)
    if len(parts) != 6 or not given:
        raise unknown("there is no such plan in this cluster", "Make the plan anew.")
    verb, subject, target, force, changes, digest = parts
    return Action(verb, subject, target or None, bool(force), _unpacked(changes)), digest


def _ordered(changes: str) -> dict[str, Any]:
    # The model of guests is for few requests, and the steward is small without it.
    from ..declaration.keys import ordered

    return ordered(json.loads(changes))


def _packed(changes: str) -> str:
    """An edit's changes as a part of an address."""
    return base64.urlsafe_b64encode(changes.encode()).decode().rstrip("=")


def _unpacked(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _mac(said: str, key: bytes) -> str:
    """A plan's signature: 144 bits, for an id is to be a short part of an address."""
    return sessions.mac("plan", said, key)[:24]


def _foreseen(
    action: Action, applied: Applied[Any], result: Mapping[str, Any], usable: Sequence[str]
) -> dict[str, Any]:
    live = read(applied.difference.live)
    prediction = applied.prediction.because("asked for", [action.subject] if action.verb == "stop" else [])
    guests = live.guests()
    actions = [one for one in prediction.actions if one.name in guests]
    foreseen = result.get("forecasts") or {action.subject: result.get("forecast")}
    moves = [
        {
            "guest": one.name,
            "from": one.source,
            "to": one.target,
            "order": order,
            "forecast": _forecast(foreseen.get(one.name)),
            "how": "live" if one.live else "restart",
        }
        for order, one in enumerate((one for one in actions if one.kind in _MOVING), start=1)
    ]
    blocked = getattr(applied.plan, "blocked", {})
    return {
        "epoch": epoch_of(live),
        "moves": moves,
        "starts": [{"guest": one.name, "to": one.target} for one in actions if one.kind == "start"],
        "stops": [{"guest": one.name, "why": one.why} for one in actions if one.kind == "stop"],
        "stays": [{"guest": name, "why": why} for name, why in sorted(blocked.items())],
        "unplaced_after": unplaced(read(applied.difference.xml), prediction, usable),
        "sentences": prediction.sentences() or list(result.get("plan") or ()),
    }


def _forecast(expected: Mapping[str, Any] | None) -> dict[str, float] | None:
    """A move's pause and duration, in seconds."""
    return {"pause": expected["pause_ms"] / 1000, "seconds": expected["seconds"]} if expected else None


def unplaced(live: Configuration, after: Prediction, usable: Sequence[str]) -> list[dict[str, Any]]:
    """For each node, the guests that would find no room elsewhere if it died after the plan."""
    places = {name: after.place(name) for name in live.guests()}
    return [{"node": node, "guests": guests} for node, guests in homeless(live, places, usable).items()]
