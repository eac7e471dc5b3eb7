# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may use the console, as declared: users with a hash of their password, tokens with their digest, the roles of the
groups of the system's users, and the provider that knows others; and the forge that has the YAML. Role console writes
the files, each a mapping (console_users, console_tokens, console_groups, console_oidc, console_forge).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.errors import DroverError
from ..core.stamp import Stamp, stamp_of
from . import forge, provider
from .forge import Forge
from .provider import ROLES, Provider, highest

__all__ = ["FOLDER", "ROLES", "Access", "Declared", "Token", "User", "allows", "fits", "hashed"]

FOLDER = Path("/etc/drover/console")
_FILES = ("users.json", "tokens.json", "groups.json", "oidc.json", "forge.json")
#: What begins a token, so that it is found where it should not be.
PREFIX = "drv_"
#: Cost of scrypt: 16 MiB and some 40 ms.
_COST = {"n": 1 << 14, "r": 8, "p": 1}
_MOST_MEMORY = 1 << 26
#: One at a time of each processor: a flood of log-ins takes no more memory than that.
_TOGETHER = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class User:
    """Somebody declared, with the hash of their password."""

    name: str
    hash: str = field(repr=False)
    role: str
    expires: datetime | None = None


@dataclass(frozen=True)
class Token:
    """A credential of a program: ``digest`` is its SHA-256; it may be used from its ``networks``, or anywhere."""

    name: str
    digest: str = field(repr=False)
    role: str
    expires: datetime | None = None
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    def refusal(self, origin: str, now: datetime) -> str:
        """Why it is not taken from there and now; empty when it is."""
        if self.expires is not None and now >= self.expires:
            return f"the token {self.name} expired at {self.expires.isoformat()}"
        if self.networks and not (origin and any(ipaddress.ip_address(origin) in one for one in self.networks)):
            return f"the token {self.name} may not be used from {origin or 'there'}"
        return ""


@dataclass(frozen=True)
class Access:
    """All that is declared. ``groups`` are roles by group of the system's users; without any, none of these log in."""

    users: Mapping[str, User] = field(default_factory=dict)
    tokens: tuple[Token, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    provider: Provider | None = None
    forge: Forge | None = None

    def token(self, secret: str) -> Token | None:
        """The declared token that this is. Every one is compared, so that time tells nothing."""
        digest = hashlib.sha256(secret.encode()).hexdigest()
        found = [one for one in self.tokens if hmac.compare_digest(one.digest, digest)]
        return found[0] if found else None

    def role_of(self, groups: Iterable[str]) -> str:
        """The highest role that any of these groups has; nobody without one."""
        return highest(self.groups, groups)


class Declared:
    """The files of what is declared, read again when one of them has changed."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._paths = [folder / name for name in _FILES]
        self._stamp: list[Stamp] = []
        self._access = Access()

    def __call__(self) -> Access:
        """What is declared; nothing where there is no file. Raises DroverError for one that cannot be read."""
        stamp = [stamp_of(path) for path in self._paths]
        if stamp != self._stamp:
            self._access = _read(*(_mapping(path) for path in self._paths))
            self._stamp = stamp
        return self._access


def allows(role: str, needed: str) -> bool:
    """Whether a role is at least the one needed."""
    return ROLES.index(role) >= ROLES.index(needed)


def hashed(password: str, salt: bytes) -> str:
    """The hash of a password as it is declared: ``scrypt$N$R$P$SALT$KEY``, the last two in base64."""
    n, r, p = _COST.values()
    key = _scrypt(password, salt, n, r, p)
    return "$".join(["scrypt", str(n), str(r), str(p), *(base64.b64encode(part).decode() for part in (salt, key))])


def fits(password: str, declared: str) -> bool:
    """Whether a password is the one declared by its hash; False for a hash that is none."""
    try:
        kind, n, r, p, salt, key = declared.split("$")
        if kind != "scrypt":
            return False
        wanted = base64.b64decode(key)
        return hmac.compare_digest(_scrypt(password, base64.b64decode(salt), int(n), int(r), int(p)), wanted)
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with _TOGETHER:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32)


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _unreadable(path.name, error) from error
    if not isinstance(said, dict):
        raise _unreadable(path.name, "it is no mapping")
    return said


def _read(
    users: Mapping[str, Any],
    tokens: Mapping[str, Any],
    groups: Mapping[str, Any],
    oidc: Mapping[str, Any],
    where: Mapping[str, Any],
) -> Access:
    try:
        return Access(
            {
                _name(name): User(name, one["hash"], _role(one["role"]), _moment(one.get("expires")))
                for name, one in users.items()
            },
            tuple(_token(name, one) for name, one in tokens.items()),
            {name: _role(role) for name, role in groups.items()},
            provider.read(oidc) if oidc else None,
            forge.read(where) if where else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable("", error) from error


def _token(name: str, said: Mapping[str, Any]) -> Token:
    networks = tuple(ipaddress.ip_network(one) for one in said.get("networks") or ())
    return Token(name, str(said["sha256"]).lower(), _role(said["role"]), _moment(said.get("expires")), networks)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _name(name: str) -> str:
    """Such as what people are called whom a provider vouches for would be taken for theirs."""
    if ":" in name:
        raise ValueError(f"a user is not called {name!r}: names have no colon")
    return name


def _role(word: str) -> str:
    if word not in ROLES[1:]:
        raise ValueError(f"{word!r} is no role; roles are {', '.join(ROLES[1:])}")
    return word


def _unreadable(name: str, why: object) -> DroverError:
    return DroverError(f"{FOLDER / name} is not what it should be: {why}", remedy="Run site.yml.")
