# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closed list of what the steward does, with the role that each needs, and what it takes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.status import ClusterStatus
from ..core.errors import DroverError
from ..core.node_name import node_name
from . import operations, sessions
from .access import FOLDER, allows
from .actions import ACTIONS, Action, Watched, proposed, written
from .consoles import Consoles
from .failovers import failovers
from .identity import Caller, Identity
from .loads import Loads
from .merge_requests import MergeRequests
from .numbers import SCRAPED, sampler
from .offered import told
from .operations import Desk
from .overview import Eyes, Sight, document
from .plans import Draft, draft, proposal, read_id
from .records import Ledger
from .sign_on import SignOn
from .trouble import Trouble, forbidden, invalid, not_logged_in, unknown
from .wire import Ongoing, Request

__all__ = ["VERBS", "Steward", "Verb", "arguments"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_MOST = 1000
#: Operations that the look shows, and seconds between two entries about the same refusal.
_SHOWN, _AGAIN = 20, 60.0


@dataclass(frozen=True)
class Verb:
    """The ``role`` it needs, the method that does it, and its arguments: by name, what each is and whether it must be
    there."""

    role: str
    does: str
    takes: Mapping[str, tuple[type, bool]] = field(default_factory=dict)


_GUEST, _NODE = {"guest": (str, True)}, {"node": (str, True)}
#: A name that is judged with the rest of a declaration.
_NEW = {"called": (str, True)}
_ONCE = {"idempotency_key": (str, False)}

VERBS: Mapping[str, Verb] = {
    "health": Verb("nobody", "health"),
    "login": Verb("nobody", "login", {"user": (str, True), "password": (str, True)}),
    "ways": Verb("nobody", "ways"),
    "oidc_begin": Verb("nobody", "oidc_begin", {"url": (str, True)}),
    "oidc_end": Verb(
        "nobody", "oidc_end", {**dict.fromkeys(("pending", "state", "code"), (str, True)), "iss": (str, False)}
    ),
    "logout": Verb("viewer", "logout", {"everywhere": (bool, False)}),
    "whoami": Verb("viewer", "whoami"),
    "look": Verb("viewer", "look"),
    "metrics": Verb("viewer", "metrics"),
    "guest": Verb("viewer", "guest", {"name": (str, True)}),
    "guest_load": Verb("viewer", "loads", _GUEST),
    "node_load": Verb("viewer", "loads", _NODE),
    "hardware": Verb("viewer", "loads", _NODE),
    "offers": Verb("viewer", "offers"),
    "journal": Verb(
        "viewer",
        "journal",
        {"guest": (str, False), "node": (str, False), "limit": (int, False), "before": (str, False)},
    ),
    "failovers": Verb("viewer", "failovers", {"limit": (int, False)}),
    "operations": Verb("viewer", "operations", {"limit": (int, False)}),
    "operation": Verb("viewer", "operation", {"id": (str, True)}),
    "console": Verb("operator", "console", {**_GUEST, "kind": (str, True)}),
    "plan": Verb(
        "operator",
        "plan",
        {
            "action": (str, True),
            "subject": (str, True),
            "target": (str, False),
            "force": (bool, False),
            "changes": (dict, False),
        },
    ),
    "propose": Verb("operator", "propose", {**_GUEST, "changes": (dict, True), "yaml": (str, False), **_ONCE}),
    "propose_new": Verb("operator", "propose", {**_NEW, "declaration": (dict, True), "yaml": (str, False), **_ONCE}),
    "merge_request": Verb(
        "operator", "merge_request", {**_GUEST, "changes": (dict, False), "declaration": (dict, False), **_ONCE}
    ),
    "carry_out": Verb("operator", "carry_out", {"id": (str, True), **_ONCE}),
    "start": Verb("operator", "act", {**_GUEST, **_ONCE}),
    "stop": Verb("operator", "act", {**_GUEST, **_ONCE}),
    "migrate": Verb("operator", "act", {**_GUEST, "to": (str, False), **_ONCE}),
    "drain": Verb("operator", "act", {**_NODE, "force": (bool, False), **_ONCE}),
    "return": Verb("operator", "act", {**_NODE, **_ONCE}),
}


class Steward:
    """Answers requests. ``cluster`` and ``watched`` make adapters to Pacemaker, one for each use."""

    def __init__(
        self,
        identity: Identity,
        ledger: Ledger,
        *,
        sign_on: SignOn | None = None,
        desk: Desk | None = None,
        eyes: Eyes | None = None,
        consoles: Consoles | None = None,
        merge_requests: MergeRequests | None = None,
        watched: Callable[[], Watched] = Watched,
        cluster: Callable[[], Pacemaker] = Pacemaker,
        keys: Callable[[], list[bytes]] = sessions.keys,
        folder: Path = FOLDER,
    ) -> None:
        self.identity, self.ledger = identity, ledger
        self.sign_on = sign_on or SignOn(identity.declared, keys, ledger)
        self.desk, self.eyes = desk or Desk(ledger), eyes or Eyes(cluster)
        self.consoles = consoles or Consoles(self.eyes)
        self.merge_requests = merge_requests or MergeRequests(identity.declared, ledger)
        self.numbers = sampler(self.eyes, ledger)
        self.loads = Loads(self.eyes, self.numbers)
        self._watched, self._cluster, self._keys, self.folder = watched, cluster, keys, folder
        self._told: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def answer(
        self, request: Request, _progress: Callable[[str], None] = lambda _text: None
    ) -> Mapping[str, Any] | Ongoing:
        """What comes of a request. Raises Trouble."""
        verb = VERBS.get(request.verb)
        if verb is None:
            raise unknown(f"there is no verb {request.verb!r}", f"Verbs are {', '.join(sorted(VERBS))}.")
        caller = self.identity.caller(request.credential if verb.role != "nobody" else None, request.origin)
        self._permit(caller, request, verb.role)
        given = arguments(request, verb)
        result: Mapping[str, Any] | Ongoing = getattr(self, f"_{verb.does}")(caller, request, given)
        return result

    def _permit(self, caller: Caller, request: Request, needed: str) -> None:
        if allows(caller.role, needed):
            return
        if caller.role == "nobody":
            raise not_logged_in()
        if self._is_new(caller.name, request.verb):
            self.ledger.audit("refusal", caller.name, request.origin, f"refused: {caller.role}", verb=request.verb)
        raise forbidden(request.verb, caller.role, needed)

    def _is_new(self, *what: str) -> bool:
        """Whether this is to be put on record, for it has not been for a while."""
        now = time.monotonic()
        with self._lock:
            new = now - self._told.get(what, -_AGAIN) >= _AGAIN
            if new:
                self._told[what] = now
        return new

    def _health(self, _caller: Caller, _request: Request, _said: Mapping[str, Any]) -> dict[str, Any]:
        quorum: bool | None = None
        with suppress(ClusterError):
            quorum = self._cluster().has_quorum()
        try:
            healthy = bool(self._keys())
        except DroverError:
            healthy = False
        return {"healthy": healthy, "quorum": quorum, "node": node_name()}

    def _login(self, _caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return self.identity.log_in(said["user"], said["password"], request.origin)

    def _ways(self, _caller: Caller, _request: Request, _said: Mapping[str, Any]) -> dict[str, Any]:
        return self.sign_on.ways()

    def _oidc_begin(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return self.sign_on.begin(said["url"])

    def _oidc_end(self, _caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return self.sign_on.end(said, request.origin)

    def _logout(self, caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        self.identity.log_out(caller, request.origin, everywhere=said.get("everywhere") is True)
        return {}

    def _whoami(self, caller: Caller, _request: Request, _said: Mapping[str, Any]) -> dict[str, Any]:
        return self.identity.described(caller)

    def _look(self, _caller: Caller, _request: Request, _said: Mapping[str, Any]) -> dict[str, Any]:
        return self.loads.into(document(self.eyes, self.ledger, self._listed(_SHOWN)))

    def _metrics(self, _caller: Caller, _request: Request, _said: Mapping[str, Any]) -> dict[str, Any]:
        return self.numbers.latest(*SCRAPED)

    def _loads(self, _caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return self.loads.answer(request.verb, said)

    def _guest(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        from .one_guest import described

        found = described(said["name"], self.eyes, self.ledger)
        return {"guest": {**found, "forge": self.merge_requests.forge() if found["declared"] else None}}

    def _journal(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        from .one_guest import entries

        return {"entries": entries(self.ledger, said, _limit(said, 100))}

    def _failovers(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return {"failovers": failovers(self.ledger.entries("story", "drill"), _limit(said, 20))}

    def _operations(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return {"operations": self._listed(_limit(said, 50))}

    def _operation(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        found = [one for one in self._listed(None) if one["id"] == said["id"]]
        if not found:
            raise unknown(f"there is no operation {said['id']!r}", "GET /operations lists those there are.")
        return {"operation": found[0]}

    def _console(self, caller: Caller, request: Request, said: Mapping[str, Any]) -> Ongoing:
        guest, kind = said["guest"], said["kind"]
        opened = self.consoles.open(guest, kind, caller.name, lambda: self._against(request))
        if self._is_new(caller.name, "console", guest, kind):
            self.ledger.audit("console", caller.name, request.origin, "opened", guest=guest, console=kind)
        return opened

    def _against(self, request: Request) -> Trouble | None:
        """What speaks, by now, against what somebody was let do."""
        needed = VERBS[request.verb].role
        try:
            caller = self.identity.caller(request.credential, request.origin)
        except Trouble as trouble:
            return trouble
        return None if allows(caller.role, needed) else forbidden(request.verb, caller.role, needed)

    def _plan(self, caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        changes = written(said["changes"]) if "changes" in said else ""
        action = Action(said["action"], said["subject"], said.get("target"), said.get("force") is True, changes)
        self._permit(caller, request, action.role)
        return {"plan": self._draft(action).document}

    def _propose(self, _caller: Caller, _request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        return proposal(self._draft(proposed(said), proposed=True), said.get("yaml") or "")

    def _offers(self, _caller: Caller, _request: Request, _said: Mapping[str, Any]) -> dict[str, Any]:
        from ..declaration.offers import document as offered

        return {"offers": {**offered(told(self.folder)), "forge": self.merge_requests.forge()}}

    def _merge_request(self, caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        action = proposed(said)
        draft = partial(self._draft, action, proposed=True)
        return self.merge_requests.request(action, draft, caller, request.origin, said.get("idempotency_key"))

    def _carry_out(self, caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        action, digest = read_id(said["id"], self._keys())
        return self._order(caller, request, action, said, digest)

    def _act(self, caller: Caller, request: Request, said: Mapping[str, Any]) -> dict[str, Any]:
        subject = said[ACTIONS[request.verb]]
        action = Action(request.verb, subject, said.get("to"), said.get("force") is True)
        return self._order(caller, request, action, said, None)

    def _order(
        self, caller: Caller, request: Request, action: Action, said: Mapping[str, Any], digest: str | None
    ) -> dict[str, Any]:
        """Do it, unless the cluster is not as it was when the plan with this ``digest`` was made."""
        self._permit(caller, request, action.role)
        key = said.get("idempotency_key")
        entry = self.desk.repeated(action, key, caller)
        if entry is None:
            plan = self._draft(action)
            if digest not in (None, plan.hash):
                raise Trouble(
                    "stale_plan",
                    409,
                    "the cluster has moved on since this plan was made",
                    remedy="Read the new plan, and confirm that.",
                    beside={"plan": plan.document},
                )
            entry = self.desk.order(plan.allowed(), key, caller, request.origin)
        return {"operation": operations.document(entry, None, now=time.time())}

    def _draft(self, action: Action, *, proposed: bool = False) -> Draft:
        """The plan of an action. Raises Trouble without quorum, and for a guest or node there is not."""
        sight = self.eyes.see(fresh=True)
        _refuse(action, sight)
        usable = [node.name for node in sight.status.nodes if node.usable]
        names = told(self.folder) if proposed and action.verb == "create" else None
        return draft(action, self._watched(), self._keys(), lambda: usable, proposed=proposed, told=names)

    def _listed(self, limit: int | None) -> list[dict[str, Any]]:
        """The newest operations first."""
        return operations.listed(self.ledger, lambda: self.eyes.see().status, limit)


def _refuse(action: Action, sight: Sight) -> None:
    """Raise Trouble where nothing can be changed, or what it is about is not there."""
    if not sight.status.quorum:
        raise Trouble(
            "no_quorum",
            503,
            "there is no quorum, so nothing can be changed",
            remedy="Have more than half of the nodes up, and try again.",
        )
    known = set(sight.live.guests()) if ACTIONS[action.verb] == "guest" else _nodes(sight.status)
    if action.subject not in known and action.verb != "create":
        raise unknown(f"there is no {ACTIONS[action.verb]} {action.subject}", "GET /cluster shows those there are.")
    if action.target is not None and action.target not in _nodes(sight.status):
        raise unknown(f"there is no node {action.target}", "GET /cluster shows those there are.")


def _nodes(status: ClusterStatus) -> set[str]:
    return {node.name for node in status.nodes}


def arguments(request: Request, verb: Verb) -> dict[str, Any]:
    """The arguments, each of its type. Raises Trouble."""
    said = {name: value for name, value in request.arguments.items() if value is not None}
    if strange := sorted(said.keys() - verb.takes.keys()):
        raise invalid(f"{request.verb} takes no {', '.join(map(repr, strange))}")
    for name, (kind, needed) in verb.takes.items():
        if name not in said:
            if needed:
                raise invalid(f"{request.verb} needs {name}")
            continue
        # A bool is an int to Python, and is none here.
        if not isinstance(said[name], kind) or (kind is int and isinstance(said[name], bool)):
            words = {str: "a text", int: "a number", bool: "true or false", dict: "an object"}
            raise invalid(f"{name} has to be {words[kind]}")
        if name in ("guest", "name", "node", "subject", "target", "to") and not _NAME.fullmatch(said[name]):
            raise invalid(f"{said[name][:80]!r} is no name of a guest or node")
        if name == "idempotency_key" and not _KEY.fullmatch(said[name]):
            raise invalid("an idempotency key is 1 to 128 visible ASCII characters")
    return said


def _limit(said: Mapping[str, Any], usual: int) -> int:
    limit: int = said.get("limit", usual)
    if not 1 <= limit <= _MOST:
        raise invalid(f"limit is a number from 1 to {_MOST}")
    return limit
