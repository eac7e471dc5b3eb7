# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The forge that has the YAML of a cluster's guests, as declared (console_forge).

Judged here alone: by the play before it touches a node, and by the steward when it reads what the play has written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import InvalidValue
from . import judging
from .judging import Rule, authority, base_url, text

__all__ = ["KINDS", "Forge", "faults", "read"]

#: The kinds, and what each calls itself.
KINDS: Mapping[str, str] = {"gitlab": "GitLab", "forgejo": "Forgejo", "github": "GitHub"}
_PART = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")
_MOST_PATHS = 8
_REMEDY = "docs/console.md shows console_forge whole."


@dataclass(frozen=True)
class Forge:
    """Where changes of declarations are proposed. ``url`` is where people open it, ``branch`` the one to merge into
    (empty: the project's default), ``paths`` are the files in which a guest may be declared, and ``authority`` vouches
    for its TLS (PEM; empty for those that Debian believes)."""

    kind: str
    url: str
    project: str
    token: str = field(repr=False)
    paths: tuple[str, ...]
    branch: str = ""
    authority: str = ""

    @property
    def name(self) -> str:
        """What the forge calls itself."""
        return KINDS[self.kind]


def read(said: Mapping[str, Any]) -> Forge:
    """The forge that is declared. Raises InvalidValue with all that is wrong."""
    if found := faults(said):
        raise InvalidValue(f"console_forge cannot be: {'; '.join(found)}", remedy=_REMEDY)
    given = dict(said)
    path = given.pop("path")
    given["paths"] = tuple(path) if isinstance(path, list) else (path,)
    given["authority"] = given.pop("ca", "")
    given["url"] = given["url"].rstrip("/")
    return Forge(**given)


def faults(said: Mapping[str, Any]) -> list[str]:
    """All that speaks against a declaration, none of it the token; an empty one is none, and nothing does."""
    found = judging.faults(said, _RULES)
    # Elsewhere than at GitLab there are no groups within groups.
    if not found and said and said["kind"] != "gitlab" and said["project"].count("/") != 1:
        found.append("project has to be OWNER/REPOSITORY")
    if not found and said and said["kind"] == "github" and urlsplit(said["url"]).path.strip("/"):
        found.append("url has to be GitHub's address without a path, such as https://github.com")
    return found


def _project(said: Any) -> bool:
    parts = said.split("/") if isinstance(said, str) else []
    return 2 <= len(parts) <= 20 and all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)


def _branch(said: Any) -> bool:
    """Such as git takes (git-check-ref-format), and none that is only a way to say another."""
    if said == "":
        return True
    parts = said.split("/") if isinstance(said, str) else []
    return (
        bool(parts)
        and all(
            _PART.fullmatch(part) and part[0] not in ".-" and part[-1] != "." and ".." not in part for part in parts
        )
        and not any(part.endswith(".lock") for part in parts)
    )


def _path(said: Any) -> bool:
    if not text(512)(said):
        return False
    return all(part not in ("", ".", "..", ".git") for part in said.split("/")) and "\\" not in said


def _paths(said: Any) -> bool:
    some = said if isinstance(said, list) else [said]
    return 0 < len(some) <= _MOST_PATHS and all(map(_path, some))


def _token(said: Any) -> bool:
    return isinstance(said, str) and bool(_TOKEN.fullmatch(said))


_RULES: Mapping[str, Rule] = {
    "kind": (True, lambda said: isinstance(said, str) and said in KINDS, f"one of {', '.join(KINDS)}"),
    "url": (True, base_url, "the forge's address as people open it, of https, without ? and #"),
    "project": (True, _project, "the way to the project, such as OWNER/REPOSITORY"),
    "token": (True, _token, "a token of the forge's, visible ASCII characters"),
    "path": (
        True,
        _paths,
        f"the file that declares guests, from the repository's top, or a list of up to {_MOST_PATHS}",
    ),
    "branch": (False, _branch, "the name of the branch to merge into"),
    "ca": (False, authority, "certificates in PEM"),
}
