# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run's output for people, so short that it fits a screen: what plays say, what changed where, each error once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Screen", "error_of", "words_of"]

#: How lines are told apart: by kinds, which the callback has colours for.
Say = Callable[[str, str], None]

#: Results of a module beside ``msg`` that hold its words when ``msg`` does not, in the order of their worth.
_LAST_WORDS = ("module_stderr", "stderr", "module_stdout", "stdout")
#: What Ansible puts before an action's own words.
_PREAMBLES = ("Task failed: ", "Action failed: ", "Module failed: ")
#: How a module begins that only knows that a program failed.
_WORDLESS = ("MODULE FAILURE", "non-zero return code")
#: Characters of an error that is no sentence of Drover's: a traceback, say.
_LONGEST = 2000
#: Names of hosts in a line before the rest are counted.
_NAMES = 6


class Screen:
    """What a run came to so far. ``say`` prints a line of a kind: ``plain``, ``progress``, ``changed`` or ``failed``.

    What several hosts have in common is told in one line, when their task is over. An error whose words were told
    already is not told again.
    """

    def __init__(self, say: Say, clock: Callable[[], str] = lambda: time.strftime("%H:%M:%S")) -> None:
        self._say, self._clock = say, clock
        self._role = self._task = ""
        self._changed: list[str] = []
        self._errors: dict[tuple[str, str], list[str]] = {}
        self._told: set[str] = set()
        self._changes: dict[str, int] = {}
        self._spoken = False

    def task(self, name: str, role: str) -> None:
        """A task begins, in a role or in none."""
        self._flush()
        self._task = name
        if role and role != self._role:
            self._say(f"  {self._clock()} {role}", "progress")
        self._role = role

    def changed(self, host: str) -> None:
        """The task changed something there."""
        self._changed.append(host)
        self._changes[host] = self._changes.get(host, 0) + 1

    def said(self, words: str) -> None:
        """The play says something."""
        self._flush()
        self._spoken = True
        for line in words.splitlines() or [""]:
            self._say(line, "plain")

    def failed(self, host: str, error: str, *, forgiven: bool = False) -> None:
        """The task failed there; ``forgiven`` if the play goes on with this host all the same."""
        self._errors.setdefault((error, "warning" if forgiven else "error"), []).append(host)

    def finish(self, failed: Mapping[str, bool]) -> None:
        """The run is over. ``failed`` are the hosts that it could not be ended on, and whether they answered."""
        self._flush()
        count = sum(self._changes.values())
        changes = (
            f"{count} {'change' if count == 1 else 'changes'} on {_names(self._changes)}" if count else "no changes"
        )
        if failed:
            verb = "failed on" if any(failed.values()) else "no answer of"
            self._say(f"{verb} {_names(failed)}, {changes}. The same with -v tells of each task", "failed")
        elif count or not self._spoken:
            self._say(f"done, {changes}", "changed" if count else "progress")

    def _flush(self) -> None:
        """Tell what the task came to."""
        if self._changed:
            self._say(f"  {self._clock()} {self._task} ({_names(self._changed)})", "changed")
        for (error, kind), hosts in self._errors.items():
            if error not in self._told:
                word = "" if kind == "error" else "warning: "
                self._say(f"{word}{_names(hosts)}: {error}", "failed" if kind == "error" else "progress")
            self._told.add(error)
        self._changed, self._errors = [], {}


def words_of(result: Mapping[str, Any], *, machine: bool = False) -> str:
    """What a task that only speaks (ansible.builtin.debug) says: a list a line each, anything else as JSON."""
    ignored = {"changed", "failed", "warnings", "deprecations"}
    left = {key: value for key, value in result.items() if not key.startswith("_") and key not in ignored}
    value = left["msg"] if "msg" in left else next(iter(left.values()), "")
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value) and not machine:
        return "\n".join(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def error_of(result: Mapping[str, Any]) -> str:
    """Why a task failed, once: the words of the module, or of the first of its items that failed."""
    items = [item for item in result.get("results") or [] if isinstance(item, Mapping)]
    broken = [item for item in items if item.get("failed") or item.get("unreachable")]
    if broken:
        first = error_of(broken[0])
        more = len({error_of(item) for item in broken}) - 1
        return f"{first} (and {more} more like it)" if more else first
    words = str(result.get("msg") or "").strip()
    for preamble in _PREAMBLES:
        words = words.removeprefix(preamble)
    # A program that died has put its reason elsewhere, and the module says that it ended with some status.
    if not words or words.startswith(_WORDLESS):
        last = next((str(result[key]).strip() for key in _LAST_WORDS if str(result.get(key) or "").strip()), "")
        words = "; ".join(part for part in (words, *last.splitlines()[-3:]) if part)
    words = words or "it failed without a word"
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."


def _names(hosts: Mapping[str, Any] | list[str]) -> str:
    names = sorted(set(hosts))
    if len(names) <= _NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"
