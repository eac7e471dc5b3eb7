# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Merge requests: a proposal (plans.py) as a branch of one commit at the forge that is declared, for people to merge.

Nothing is remembered here. The branch is called by the guest and the change, so that the same proposal finds what was
begun before, by whomever and from whichever node, and finishes it.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidValue
from ..declaration.yaml_patch import added, changed, declares, has_guests, says
from . import fetching
from .access import Access
from .actions import Action
from .fetching import Answer, Ask
from .forge_api import Api, Conflict, Fetch, File, failed
from .forge_kinds import api_of
from .identity import Caller
from .operations import key_of
from .plans import Draft
from .records import Ledger
from .trouble import Trouble, invalid, unknown

__all__ = ["MergeRequests", "branch_of"]

#: Seconds for one request, and merge requests at a time.
_PATIENCE, _TOGETHER = 12.0, 2
#: Characters of a title, and of what is told of the plan.
_TITLE, _TEXT = 100, 8000


def _fetch(ask: Ask) -> Answer:
    return fetching.fetch(ask, patience=_PATIENCE)


class MergeRequests:
    """The proposals that become merge requests, if a forge is declared."""

    def __init__(
        self,
        declared: Callable[[], Access],
        ledger: Ledger,
        *,
        fetch: Fetch = _fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._declared, self._ledger, self._fetch, self._clock = declared, ledger, fetch, clock
        self._free = threading.BoundedSemaphore(_TOGETHER)

    def forge(self) -> dict[str, Any] | None:
        """What people are told of the forge; None without one."""
        forge = self._declared().forge
        return {"kind": forge.kind, "name": forge.name, "project": forge.project} if forge else None

    def request(
        self, action: Action, draft: Callable[[], Draft], caller: Caller, origin: str, key: str | None
    ) -> dict[str, Any]:
        """The merge request of a proposal, as it was opened now or before. ``draft`` is asked for its plan. Raises
        Trouble."""
        forge = self._declared().forge
        if forge is None:
            remedy = "Take the patch of the proposal, or declare console_forge."
            raise unknown("no forge is declared for merge requests", remedy)
        branch = branch_of(action)
        digest = key_of(key, caller) if key else None
        if (known := self._repeated(digest, branch)) is not None:
            return _document(known["link"], branch, "found")
        plan = draft().allowed()
        with self._turn():
            link, opened = _settled(api_of(forge, self._fetch, self._clock), _Wish(plan, branch, caller.name))
        result = "opened" if opened else "found"
        if not self._is_known(link, caller):
            told: dict[str, Any] = {
                "guest": action.subject,
                "link": link,
                "branch": branch,
                "plan": plan.hash,
                "key": digest,
            }
            self._ledger.audit("merge-request", caller.name, origin, result, **told)
        return _document(link, branch, result)

    def _repeated(self, digest: str | None, branch: str) -> Mapping[str, Any] | None:
        """What was put on record of a request with this key. Raises Trouble when it was of another change."""
        for entry in self._ledger.entries("merge-request") if digest else ():
            if entry.get("key") == digest:
                if entry["branch"] != branch:
                    raise invalid("this idempotency key was used for another change", "Take a new one.")
                return entry
        return None

    def _is_known(self, link: str, caller: Caller) -> bool:
        known = self._ledger.entries("merge-request")
        return any((entry["link"], entry["by"]) == (link, caller.name) for entry in known)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One of few that may wait for the forge: however slow that is, the steward has time for others."""
        if not self._free.acquire(blocking=False):
            raise Trouble("busy", 503, f"{_TOGETHER} merge requests are under way", remedy="Try again in a moment.")
        try:
            yield
        finally:
            self._free.release()


def branch_of(action: Action) -> str:
    """The branch of a change of a guest: as git takes it, and another for each of both."""
    digest = hashlib.sha256(f"{action.subject} {action.changes}".encode()).hexdigest()[:12]
    return f"drover/{action.subject.replace('.', '-')}-{digest}"


@dataclass(frozen=True)
class _Wish:
    """What is to be merged: the change of a plan, or its new guest, on this branch, as ``who`` wants it."""

    plan: Draft
    branch: str
    who: str

    @property
    def guest(self) -> str:
        return self.plan.action.subject

    @property
    def new(self) -> bool:
        return self.plan.action.verb == "create"

    @property
    def changes(self) -> Mapping[str, Any]:
        return self.plan.changes

    def said_by(self, text: str) -> bool:
        """Whether a file says it already. Raises InvalidValue for one that has another guest of the name."""
        if says(text, self.guest, self.changes):
            return True
        if self.new and declares(text, self.guest):
            raise InvalidValue(f"it declares another {self.guest} already", remedy="Take another name.")
        return False

    def into(self, text: str) -> str:
        """The file with it."""
        return (added if self.new else changed)(text, self.guest, self.changes)

    @property
    def title(self) -> str:
        if self.new:
            return f"Add {self.guest}"[:_TITLE]
        return f"Change {self.guest}: {', '.join(self.changes)}"[:_TITLE]

    @property
    def message(self) -> str:
        return f"{self.title}\n\nProposed by {_plain(self.who)} in Drover's console.\n"

    @property
    def description(self) -> str:
        """What reviewers read. What others have written stands in code, where forges do not follow it."""
        document = self.plan.document
        foretold = "\n".join([*document["notes"], *document["sentences"]])[:_TEXT]
        code = "\n".join(f"    {line}" for line in foretold.splitlines())
        return (
            f"`{_plain(self.who)}` proposed this in Drover's console. When it was asked for, the cluster foretold:\n\n"
            f"{code}\n\nOnce it is merged, the play guests.yml carries it out.\n"
        )


def _settled(api: Api, wish: _Wish) -> tuple[str, bool]:
    """The merge request's page, and whether it was opened just now."""
    base, head = api.base()
    file = _declaring(api, wish, base, head)
    with _understood(file.path):
        if wish.said_by(file.text):
            why = f"{file.path} of {api.forge.project} says so already on {base}"
            raise Trouble("declared_already", 409, why, remedy="Run the play guests.yml with it.")
        begun = _committed(api, base, file, wish)
    number = None if begun else api.find(base, wish.branch)
    if number is not None:
        return api.page(number), False
    try:
        return api.page(api.open(base, wish.branch, wish.title, wish.description)), True
    except Conflict as conflict:
        # The same request, made elsewhere, may have been quicker.
        if (number := api.find(base, wish.branch)) is not None:
            return api.page(number), False
        remedy = f"If its branch {wish.branch} is of one that is over, delete that at the forge, and ask again."
        raise Trouble(conflict.code, conflict.status, conflict.cause, remedy=remedy) from conflict


def _declaring(api: Api, wish: _Wish, base: str, head: str) -> File:
    """The file that declares the guest, at a commit; for a new one that declares guests. Raises Trouble."""
    found = [file for path in api.forge.paths if (file := api.file(path, head)) is not None]
    named = ", ".join(api.forge.paths)
    if not found:
        why = f"has no {named} on {base} in {api.forge.project}"
        raise failed(api.forge, why, "Set console_forge.path to the file that declares guests.")
    for file in found:
        with _understood(file.path):
            if declares(file.text, wish.guest):
                return file
    if wish.new:
        return next((file for file in found if _has_guests(file)), found[0])
    remedy = "Name the file that declares it under guests: in console_forge.path, or make the change by hand."
    raise Trouble(
        "refused", 422, f"{wish.guest} is not declared in {named} of {api.forge.project} on {base}", remedy=remedy
    )


def _committed(api: Api, base: str, file: File, wish: _Wish) -> bool:
    """Have the branch say the change. Whether it did not say it before. Raises Trouble."""
    if api.head(wish.branch) is None:
        try:
            api.commit(base, wish.branch, file, wish.into(file.text), wish.message)
        except Conflict:
            # The same request, made elsewhere, may have been quicker.
            if api.head(wish.branch) is None:
                raise
        else:
            return True
    there = api.file(file.path, wish.branch)
    with suppress(InvalidValue):
        if there is not None and wish.said_by(there.text):
            return False
        if there is not None:
            text = wish.into(there.text)
            if api.resume(base, wish.branch, there, text, wish.message):
                return True
    why = f"the branch {wish.branch} of {api.forge.project} says something else than this change"
    raise Trouble("branch_differs", 409, why, remedy="Merge it or delete it at the forge, and ask again.")


def _has_guests(file: File) -> bool:
    with _understood(file.path):
        return has_guests(file.text)


@contextmanager
def _understood(path: str) -> Iterator[None]:
    """What is wrong with a file, as a refusal."""
    try:
        yield
    except InvalidValue as error:
        raise Trouble("refused", 422, f"{path}: {error.cause}", remedy=error.remedy) from error


def _plain(name: str) -> str:
    """Somebody's name, of which no forge makes anything."""
    return re.sub(r"[^\w.@:+-]", "_", name)


def _document(link: str, branch: str, state: str) -> dict[str, Any]:
    return {"merge_request": {"url": link, "branch": branch, "state": state}}
