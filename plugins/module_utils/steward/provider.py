# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OpenID Connect provider that a cluster believes, as declared (console_oidc), and the roles of its groups.

Judged here alone: by the play before it touches a node, and by the steward when it reads what the play has written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import InvalidValue
from . import judging, sessions
from .judging import Rule, authority, base_url, https, text

__all__ = ["RETURN", "ROLES", "Provider", "faults", "highest", "read"]

#: From the least to the most; nobody is who has not logged in.
ROLES = ("nobody", "viewer", "operator", "admin")
#: The page's path that a provider sends people back to.
RETURN = "/oidc"
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_REMEDY = "docs/console.md shows console_oidc whole."


@dataclass(frozen=True)
class Provider:
    """Whom the cluster asks who somebody is. ``groups`` are roles by what the claim ``groups_claim`` names; ``urls``
    are the addresses at which people open the page, ``authority`` who vouches for the provider's TLS (PEM; empty for
    those that Debian believes), and ``name`` what the button says."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    urls: tuple[str, ...]
    groups: Mapping[str, str]
    scopes: tuple[str, ...] = ("openid", "profile")
    groups_claim: str = "groups"
    user_claim: str = "preferred_username"
    name: str = "OpenID Connect"
    authority: str = ""

    @property
    def fingerprint(self) -> str:
        """What sessions that it vouched for are bound to: another provider's, or another client's, are over."""
        return sessions.fingerprint(f"{self.issuer} {self.client_id}")

    def role_of(self, groups: Iterable[str]) -> str:
        """The highest role that any of these groups has; nobody without one."""
        return highest(self.groups, groups)


def highest(roles: Mapping[str, str], groups: Iterable[str]) -> str:
    """The highest of these ``roles``, by group, that any of the groups has; nobody without one."""
    return max((roles[name] for name in groups if name in roles), key=ROLES.index, default=ROLES[0])


def read(said: Mapping[str, Any]) -> Provider:
    """The provider that is declared. Raises InvalidValue with all that is wrong."""
    if found := faults(said):
        raise InvalidValue(f"console_oidc cannot be: {'; '.join(found)}", remedy=_REMEDY)
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    given["urls"] = tuple(one.rstrip("/") for one in said["urls"])
    given["authority"] = given.pop("ca", "")
    return Provider(**given)


def faults(said: Mapping[str, Any]) -> list[str]:
    """All that speaks against a declaration, none of it the secret; an empty one is none, and nothing does."""
    return judging.faults(said, _RULES)


def _urls(said: Any) -> bool:
    if not isinstance(said, list) or not said:
        return False
    return all(isinstance(one, str) and https(one) and not urlsplit(one).path.strip("/") for one in said) and all(
        not urlsplit(one).query for one in said
    )


def _groups(said: Any) -> bool:
    named = isinstance(said, Mapping) and len(said) > 0 and all(text(256)(name) for name in said)
    return named and all(role in ROLES[1:] for role in said.values())


def _scopes(said: Any) -> bool:
    if not isinstance(said, list):
        return False
    return all(isinstance(one, str) and _SCOPE.fullmatch(one) for one in said) and "openid" in said


_RULES: Mapping[str, Rule] = {
    "issuer": (True, base_url, "the provider's issuer, an https URL as it writes it itself, without ? and #"),
    "client_id": (True, text(256), "the name that the provider has given this console"),
    "client_secret": (True, text(1024), "the secret that the provider has given this console"),
    "urls": (True, _urls, "a list of https addresses at which people open the page, each without a path"),
    "groups": (True, _groups, f"roles ({', '.join(ROLES[1:])}) by the provider's groups, one at least"),
    "scopes": (False, _scopes, "a list of scopes with openid in it"),
    "groups_claim": (False, text(256), "the name of the claim that has the groups"),
    "user_claim": (False, text(256), "the name of the claim that has the user's name"),
    "name": (False, text(64), "what the button says after 'Log in with'"),
    "ca": (False, authority, "certificates in PEM"),
}
