# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against a mapping that is declared: each of its keys has a rule, and all faults are told at once."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Rule", "authority", "base_url", "faults", "https", "text"]

#: Whether a key has to be there, what is right for it, and what it has to be, in words.
Rule = tuple[bool, Callable[[Any], bool], str]


def faults(said: Mapping[str, Any], rules: Mapping[str, Rule]) -> list[str]:
    """All that speaks against a declaration, none of it a value; an empty one is none, and nothing does."""
    if not said:
        return []
    found = [f"there is no key {name}" for name in sorted(map(str, said.keys() - rules.keys()))]
    for name, (needed, right, what) in rules.items():
        if name not in said:
            found += [f"{name} is missing: {what}"] if needed else []
        elif not right(said[name]):
            found.append(f"{name} has to be {what}")
    return found


def text(most: int) -> Callable[[Any], bool]:
    """The rule of a text on one line, with so many characters at most."""
    return lambda said: isinstance(said, str) and 0 < len(said) <= most and said.isprintable()


def https(url: str) -> bool:
    """Whether a text is a whole URL of https, without a user, and nothing that could be read in two ways."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(' \\"<>^`{|}') and len(url) <= 2048
    own = parts.hostname and "@" not in parts.netloc and not parts.fragment
    return plain and parts.scheme == "https" and bool(own) and port != 0


def base_url(said: Any) -> bool:
    """The rule of a URL of https that others begin with."""
    return isinstance(said, str) and https(said) and not urlsplit(said).query


def authority(said: Any) -> bool:
    """The rule of certificates in PEM; an empty text is none of them."""
    if said == "":
        return True
    try:
        ssl.create_default_context(cadata=said)
    except (ssl.SSLError, ValueError, TypeError):
        return False
    return isinstance(said, str)
