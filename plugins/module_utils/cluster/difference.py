# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that differs between two configurations of the cluster, object by object, for people and without secrets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .objects import Version

__all__ = ["Change", "Difference", "is_secret"]

#: Parts of the names of parameters whose values are never shown, over all fence agents. A file's path is no secret.
_SECRET = re.compile(r"passw|passphrase|secret|token|credential|community|(\b|_)kg\b|key", re.IGNORECASE)
_PATH = re.compile(r"(file|path|script)\Z", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a parameter of this name holds what nobody may see, such as a password, a key, an SNMP community."""
    return bool(_SECRET.search(name)) and not _PATH.search(name)


@dataclass(frozen=True)
class Change:
    """One object that differs: ``before`` is None when it is created, ``after`` when it is removed."""

    kind: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def action(self) -> str:
        if self.before is None:
            return "create"
        return "remove" if self.after is None else "update"

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.id}"


@dataclass(frozen=True)
class Difference:
    """All that differs between the live configuration and the wanted one.

    ``xml`` is the whole wanted CIB, one configuration version on; ``live`` the text it was computed from.
    ``kept`` are sentences about settings made by hand that were left standing.
    """

    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    live: str
    xml: str
    version: Version

    @property
    def changed(self) -> bool:
        return bool(self.changes)

    def names(self) -> list[str]:
        """What differs, one short phrase per object."""
        return [str(change) for change in self.changes]

    def diff(self) -> list[dict[str, str]]:
        """The differences in the form in which Ansible shows them, without any secret."""
        shown = []
        for change in self.changes:
            before, after = _masked(change.before, change.after)
            title = f"{change.kind} {change.id}"
            shown.append(
                {
                    "before_header": title,
                    "after_header": title,
                    "before": _text(before),
                    "after": _text(after),
                }
            )
        return shown


def _masked(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Both views with secrets hidden, so that a changed secret still shows as a change."""

    def hide(view: dict[str, Any], other: dict[str, Any], word: str) -> dict[str, Any]:
        params = view.get("params")
        if not isinstance(params, dict):
            return view
        known = other.get("params", {})
        shown = {
            name: (value if not is_secret(name) else "(hidden)" if known.get(name) == value else word)
            for name, value in params.items()
        }
        return {**view, "params": shown}

    return (
        None if before is None else hide(before, after or {}, "(hidden, old)"),
        None if after is None else hide(after, before or {}, "(hidden, new)"),
    )


def _text(value: Any, indent: str = "") -> str:
    """A nested value as text close to YAML, one line per leaf."""
    if value is None:
        return ""
    lines = []
    pairs = value.items() if isinstance(value, dict) else (("-", item) for item in value)
    for key, item in pairs:
        label = f"{indent}-" if key == "-" else f"{indent}{key}:"
        if isinstance(item, (dict, list)) and item:
            lines.append(f"{label}\n{_text(item, indent + '  ')}")
        else:
            lines.append(f"{label} {item if isinstance(item, str) else json.dumps(item)}\n")
    return "".join(lines)
