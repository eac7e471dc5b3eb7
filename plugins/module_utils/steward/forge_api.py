# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a forge is asked, whichever kind it is, and what is made of its answers: none of them is trusted further than it
is understood. The kinds are in forge_kinds.py.
"""

from __future__ import annotations

import base64
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from .fetching import Answer, Ask, Unfetched
from .forge import Forge
from .trouble import Trouble

__all__ = ["Api", "Conflict", "Fetch", "File", "failed", "file_of", "number_of", "quoted", "text_of"]

Fetch = Callable[[Ask], Answer]
#: Seconds for one step of a request, and for all requests of one merge request: less than the console waits.
_STEP, _WHOLE = 10.0, 35.0
#: Bytes of a file, which comes in base64 within what an answer may have.
_MOST_FILE = 128 << 10
#: Characters of the forge's own words that are told on.
_WORDS = 200


class Conflict(Trouble):
    """The forge does not take a request for what it has already, or no longer has."""


@dataclass(frozen=True)
class File:
    """A file as it is on a branch. ``mark`` tells the forge of which state of it a change is."""

    path: str
    text: str = field(repr=False)
    mark: str


class Api(ABC):
    """One project of a forge, asked within a time. Every method raises Trouble."""

    #: Where its API is below its address, and what its requests carry.
    prefix = ""

    def __init__(self, forge: Forge, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self.forge, self._fetch, self._clock = forge, fetch, clock
        self._until = clock() + _WHOLE

    @abstractmethod
    def head(self, branch: str) -> str | None:
        """The commit at the end of a branch; None without such a branch."""

    @abstractmethod
    def file(self, path: str, ref: str) -> File | None:
        """A file at a branch or commit; None without one."""

    @abstractmethod
    def commit(self, base: str, branch: str, file: File, text: str, message: str) -> None:
        """Begin a branch at the end of another, with a commit that has the file say something else."""

    def resume(self, base: str, branch: str, file: File, text: str, message: str) -> bool:
        """Commit to a branch that was begun and has no commit of its own. False where there is one, as always where a
        forge begins a branch with its commit in one."""
        return False

    @abstractmethod
    def find(self, base: str, branch: str) -> int | None:
        """The number of the open merge request of a branch; None without one."""

    @abstractmethod
    def open(self, base: str, branch: str, title: str, text: str) -> int:
        """Open a merge request: its number."""

    @abstractmethod
    def page(self, number: int) -> str:
        """Where people see a merge request."""

    def base(self) -> tuple[str, str]:
        """The branch to merge into, and the commit at its end."""
        branch = self.forge.branch or self._default()
        head = self.head(branch)
        if head is None:
            raise failed(self.forge, f"has no branch {branch} in {self.forge.project}", "Set console_forge.branch.")
        return branch, head

    @abstractmethod
    def _project(self) -> str:
        """The project's own place in the API."""

    @abstractmethod
    def _headers(self) -> Mapping[str, str]:
        """What every request carries, the token among it."""

    def _default(self) -> str:
        said = self._asked(self._project())
        if said is None:
            why = f"shows no project {self.forge.project} to this token"
            raise failed(self.forge, why, "Check console_forge.project, and that the token's owner is a member of it.")
        return text_of(self.forge, said, "default_branch")

    def _asked(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        method: str = "",
        document: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON that the forge answers; None where it says that there is no such thing."""
        if self._clock() >= self._until:
            remedy = "Ask for the same again: what was begun is found and finished."
            raise failed(self.forge, f"takes more than {_WHOLE:g} s for all of it", remedy)
        url = f"{self._root()}{path}" + (f"?{urlencode(query)}" if query else "")
        ask = Ask(url, None, self._headers(), self.forge.authority, document, method, _STEP)
        try:
            answer = self._fetch(ask)
        except Unfetched as error:
            raise failed(self.forge, error.cause, _unreached(error.cause)) from error
        said = _json(answer)
        if answer.status == 404:
            return None
        if answer.status not in (200, 201):
            raise self._refusal(answer.status, said, changes=document is not None)
        if not isinstance(said, (dict, list)):
            raise failed(self.forge, "answers with no JSON", "See whether console_forge.url is its address.")
        return said

    def _root(self) -> str:
        return self.forge.url + self.prefix

    def _refusal(self, status: int, said: Any, *, changes: bool) -> Trouble:
        words = self._words(said)
        match status:
            case 401:
                remedy = "Make a new token at the forge, declare it as console_forge.token, and run site.yml."
                return failed(self.forge, f"does not take the token (401){words}", remedy)
            case 403:
                remedy = (
                    "Give the token's owner what docs/console.md says; see whether its limit of requests is used up."
                )
                return failed(self.forge, f"does not let the token do that (403){words}", remedy)
            case 429:
                return failed(self.forge, f"is asked too often (429){words}", "Ask for the same again in a while.")
            case 400 | 409 | 422 if changes:
                cause = f"the forge {self.forge.url} refuses ({status}){words}"
                return Conflict("forge_failed", 503, cause, remedy="See what it says, and ask for the same again.")
        remedy = "See that it works, and ask for the same again: what was begun is found and finished."
        return failed(self.forge, f"answers with {status}{words}", remedy)

    def _words(self, said: Any) -> str:
        """What the forge says itself, if it is fit to be told."""
        told = said.get("message") or said.get("error") if isinstance(said, dict) else None
        more = said.get("errors") if isinstance(said, dict) else None
        if isinstance(more, list):  # GitHub's "Validation Failed" alone says nothing
            told = [told, *(one.get("message") if isinstance(one, dict) else one for one in more)]
        text = "; ".join(one for one in (told if isinstance(told, list) else [told]) if isinstance(one, str))
        if not text or not text.isprintable() or self.forge.token in text:
            return ""
        return f": {text[:_WORDS]}"


def failed(forge: Forge, why: str, remedy: str) -> Trouble:
    """The refusal for want of a forge that does what it is to do."""
    return Trouble("forge_failed", 503, f"the forge {forge.url} {why}", remedy=remedy)


def text_of(forge: Forge, said: Any, *way: str) -> str:
    """A text of an answer, by the way to it. Raises Trouble where there is none."""
    for key in way:
        said = said.get(key) if isinstance(said, dict) else None
    if not isinstance(said, str) or not 0 < len(said) <= 255 or not said.isprintable():
        raise _strange(forge, ".".join(way))
    return said


def number_of(forge: Forge, said: Any, key: str) -> int:
    """A number of an answer. Raises Trouble where there is none."""
    found = said.get(key) if isinstance(said, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 1 << 53:
        raise _strange(forge, key)
    return found


def file_of(forge: Forge, said: Any, path: str, mark: str) -> File:
    """A file of an answer, whose content is in base64, and its mark by that name. Raises Trouble."""
    size = said.get("size") if isinstance(said, dict) else None
    if isinstance(size, int) and size > _MOST_FILE:
        why = f"has {path} with more than {_MOST_FILE >> 10} KiB"
        raise failed(forge, why, "Declare guests in a smaller file, or change it by hand.")
    content = said.get("content") if isinstance(said, dict) else None
    if not isinstance(content, str) or said.get("encoding") != "base64":
        raise _strange(forge, f"content of {path}")
    try:
        text = base64.b64decode("".join(content.split()), validate=True).decode()
    except ValueError as error:
        raise failed(
            forge, f"has {path} as no text in UTF-8", "See whether console_forge.path is that file."
        ) from error
    return File(path, text, text_of(forge, said, mark))


def quoted(text: str, safe: str = "") -> str:
    """A text as a part of an address; with ``safe="/"``, as some of them."""
    return quote(text, safe=safe)


def _strange(forge: Forge, what: str) -> Trouble:
    remedy = "See whether console_forge.kind is what it is; it may be of a version that is not known here."
    return failed(forge, f"answers without {what}, or with one that cannot be", remedy)


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body) if answer.kind == "application/json" else None
    except (ValueError, RecursionError):
        return None


def _unreached(why: str) -> str:
    if "certificate" in why:
        return "Give who vouches for it as console_forge.ca, and run site.yml."
    if "elsewhere" in why:
        return "Declare console_forge.url and project as they are now."
    return "See that the nodes reach it, and ask for the same again: what was begun is found and finished."
