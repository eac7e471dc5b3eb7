# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one patch does: the verbs that people click, carried out by the very code of the plays' modules."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..cluster.objects import Wanted
from ..cluster.pacemaker import Applied, Pacemaker, Plan
from ..core.errors import DroverError
from ..declaration.yaml_patch import without_nulls
from ..reporting.job_log import JobLog
from .trouble import invalid

__all__ = ["ACTIONS", "Action", "Watched", "carry_out", "proposed", "substance", "written"]

P = TypeVar("P", bound=Wanted | Plan)

#: The verbs, and whether each is about a guest or a node.
ACTIONS: Mapping[str, str] = {
    "start": "guest",
    "stop": "guest",
    "migrate": "guest",
    "drain": "node",
    "return": "node",
    "edit": "guest",
    "release": "guest",
    # Only ever proposed: guests.yml makes its disks.
    "create": "guest",
}
#: What is more than an operator may: it changes what a guest is.
_ADMINS = ("edit", "release")
#: What says keys of the YAML.
_WRITTEN = ("edit", "create")
#: Seconds that each may take at most, as its module has it.
_PATIENCE = {"start": 300, "stop": 300, "drain": 1800, "return": 1800}


#: Characters, and lists and mappings, of an edit, which is a part of its plan's address, and of a declaration; and
#: characters of its name.
_EDIT, _DECLARATION, _NAME = (2048, 64), (16384, 256), 256


def written(changes: Mapping[str, Any]) -> str:
    """The changes of an edit as an action has them. Raises Trouble."""
    text = _within(_EDIT, changes)
    if not changes or text is None:
        raise invalid(f"an edit is of one key and more, and of {_EDIT[0]} characters at most", "Make several edits.")
    return text


def proposed(said: Mapping[str, Any]) -> Action:
    """What is proposed: the changes of a guest, or the declaration of a new one. Raises Trouble."""
    if ("changes" in said) == ("declaration" in said):
        raise invalid("a proposal is of changes, or of a new guest's declaration", "Send one of the two.")
    if "changes" in said:
        return Action("edit", said["guest"], changes=written(said["changes"]))
    text = _within(_DECLARATION, without_nulls(said["declaration"]))
    name = said["called"] if "called" in said else said["guest"]
    if len(name) > _NAME or text is None:
        why = f"a new guest's declaration is of {_DECLARATION[0]} characters at most, its name of {_NAME}"
        raise invalid(why, "Add what is more to the YAML by hand.")
    return Action("create", name, changes=text)


def _within(most: tuple[int, int], said: Mapping[str, Any]) -> str | None:
    """Keys of the YAML as JSON; None if that has more characters, or more lists and mappings, than it may."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    longest, nested = most
    return text if len(text) <= longest and text.count("{") + text.count("[") <= nested else None


@dataclass(frozen=True)
class Action:
    """One of the verbs, on a guest or node. ``target`` is the node of a migration, None for the best; ``changes`` are
    an edit's, the keys of the guest's YAML with their new values, and a new guest's all its keys, as JSON."""

    verb: str
    subject: str
    target: str | None = None
    force: bool = False
    changes: str = ""

    def __post_init__(self) -> None:
        if self.verb not in ACTIONS:
            raise invalid(f"there is no action {self.verb!r}", f"Actions are {', '.join(ACTIONS)}.")
        if self.target is not None and self.verb != "migrate":
            raise invalid(f"{self.verb} takes no target")
        if self.force and self.verb != "drain":
            raise invalid(f"{self.verb} takes no force")
        if bool(self.changes) != (self.verb in _WRITTEN):
            raise invalid("an edit takes changes, and nothing else does")

    @property
    def role(self) -> str:
        """The role it needs: to stop guests for want of room is more than an operator may, and so is an edit."""
        return "admin" if self.force or self.verb in _ADMINS else "operator"

    def play(self) -> str:
        """The command that does the same; empty where none does."""
        if self.verb in _ADMINS:
            return ""
        if self.verb == "create":
            return "ansible-playbook playbooks/guests.yml --check --diff"
        play, words = {
            "start": ("start", f"guest={self.subject}"),
            "stop": ("stop", f"guest={self.subject}"),
            "migrate": ("migrate", f"guest={self.subject}" + (f" -e to={self.target}" if self.target else "")),
            "drain": ("maintenance", f"node={self.subject} -e state=on" + (" -e force=true" if self.force else "")),
            "return": ("maintenance", f"node={self.subject} -e state=off"),
        }[self.verb]
        return f"ansible-playbook playbooks/{play}.yml -e {words}"

    def curl(self) -> str:
        """The request that does the same; the console's address and a token stand in the environment. Empty for what
        has to be planned and confirmed."""
        if self.force or self.verb in _ADMINS:
            return ""
        body: dict[str, Any] = {"to": self.target} if self.target else {}
        place = f"{ACTIONS[self.verb]}s/{self.subject}/{self.verb}"
        if self.verb == "create":
            from ..declaration.keys import ordered

            body, place = {"name": self.subject, "declaration": ordered(json.loads(self.changes))}, "guests"
        return (
            'curl -X POST -H "Authorization: Bearer $DROVER_TOKEN" -H "Idempotency-Key: $(uuidgen)" '
            f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))} $DROVER_URL/api/v1/{place}"
        )


class Watched(Pacemaker):
    """A cluster whose first predicted change is kept in ``seen``. ``judge`` sees it in the moment before the patch, and
    raises to refuse."""

    seen: Applied[Any] | None = None
    judge: Callable[[Applied[Any]], None] | None = None

    def apply(
        self,
        plan: Callable[[str], P],
        *,
        check: bool,
        guard: Callable[[Applied[P]], None] = lambda _applied: None,
        live: str | None = None,
        predict: bool = True,
    ) -> Applied[P]:
        first = predict and (check or self.seen is None)

        def watch(applied: Applied[P]) -> None:
            if first:
                self.seen = applied
            guard(applied)
            if first and self.judge is not None:
                self.judge(applied)

        applied = super().apply(plan, check=check, guard=watch, live=live, predict=predict)
        if first:
            self.seen = applied
        return applied


def carry_out(
    action: Action,
    cluster: Pacemaker,
    log: JobLog,
    *,
    check: bool,
    proposed: bool = False,
    told: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Do it, to its end, or in check mode predict it. What the module of the verb returns, and raises. An edit that is
    ``proposed`` may be of a declared guest; a new guest is never more than that, and judged by what role console has
    ``told`` (declaration/offers.py)."""
    if action.verb in ("drain", "return"):
        from ..verbs.maintain import Maintenance

        patience = _PATIENCE[action.verb]
        run = Maintenance(cluster, action.subject, force=action.force, timeout=patience, check=check, log=log)
        return run.on() if action.verb == "drain" else run.off()
    if action.verb == "migrate":
        from ..verbs.migrate import Migration, Observer

        guest = action.subject
        options: dict[str, Any] = {"ignore": (), "timeout": None, "check": check, "log": log}
        migration = Migration(cluster, guest, action.target, observer=Observer(guest), **options)
        result = migration.run()
        return {**result, **migration.known()}
    if action.verb == "edit":
        from ..verbs.edit import edit

        return dict(edit(cluster, action.subject, json.loads(action.changes), check=check, proposed=proposed))
    if action.verb == "create":
        if told is None or not check:
            raise DroverError("a new guest is made by guests.yml alone", remedy="Propose it: POST /api/v1/guests.")
        from ..verbs.new_guest import foretell

        return foretell(cluster, action.subject, json.loads(action.changes), told)
    if action.verb == "release":
        from ..verbs.edit import release

        return dict(release(cluster, action.subject, check=check))
    if action.verb == "start":
        from ..verbs.start import start

        return start(cluster, action.subject, timeout=_PATIENCE["start"], check=check)
    from ..verbs.stop import stop

    return stop(cluster, action.subject, timeout=_PATIENCE["stop"], check=check)


def substance(action: Action, applied: Applied[Any] | None) -> str:
    """What makes two plans the same: the patch, and what the cluster does because of it; as a short hash."""
    said: list[Any] = [action.verb, action.subject, action.target, action.force]
    said += [action.changes] if action.changes else []
    if applied is not None:
        said += [applied.difference.diff(), sorted(map(str, applied.prediction.actions))]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:20]
