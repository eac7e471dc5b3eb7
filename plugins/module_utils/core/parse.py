# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading YAML that people wrote: every problem is noted with its path, and reading goes on.

A parser takes a value from the YAML and returns it normalised, or raises ValueError with a remedy.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from .quantities import MIB, parse_size

T = TypeVar("T")

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class Problem:
    """Something wrong with the YAML, at a place in it such as ``guests.minecraft.disks[0].size``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Fields:
    """A mapping in the YAML that is being read: notes problems by path, and every key that nobody asked for."""

    def __init__(self, values: Mapping[str, Any], path: str, problems: list[Problem]) -> None:
        self.values = values
        self.path = path
        self.problems = problems
        self.asked: list[str] = []

    def note(self, key: str, message: str) -> None:
        self.problems.append(Problem(f"{self.path}.{key}" if key else self.path, message))

    def take(self, key: str, parse: Callable[[Any], T], default: T) -> T:
        """The parsed value of ``key``; the default when it is not there, or wrong, which is noted."""
        self.asked.append(key)
        if self.values.get(key) is None:
            return default
        try:
            return parse(self.values[key])
        except ValueError as error:
            self.note(key, str(error))
            return default

    def require(self, key: str, parse: Callable[[Any], T], default: T, remedy: str) -> T:
        """Like ``take``, but it has to be there."""
        if self.values.get(key) is None:
            self.note(key, f"is missing: {remedy}")
        return self.take(key, parse, default)

    def section(self, key: str) -> Fields:
        """The mapping at ``key``; an empty one when it is not there."""
        nothing: Mapping[str, Any] = {}
        return Fields(self.take(key, mapping, nothing), f"{self.path}.{key}", self.problems)

    def each(self, key: str) -> Iterator[Fields]:
        """The mappings in the list at ``key``."""
        nothing: Sequence[Any] = ()
        for index, value in enumerate(self.take(key, sequence, nothing)):
            path = f"{self.path}.{key}[{index}]"
            if isinstance(value, Mapping):
                yield Fields(value, path, self.problems)
            else:
                self.problems.append(Problem(path, f"{value!r} is not a mapping"))

    def done(self, elsewhere: Mapping[str, str] | None = None) -> None:
        """Note every key that was not asked for; ``elsewhere`` says why a known one has no place here."""
        for key in map(str, self.values):
            if key in self.asked:
                continue
            if key in (elsewhere or {}):
                self.note(key, (elsewhere or {})[key])
                continue
            close = difflib.get_close_matches(key, self.asked, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(set(self.asked)))}"
            self.note(key, f"is not a key here ({remedy})")


def mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is not a mapping")
    return value


def sequence(value: object) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{value!r} is not a list: write [{value}]")
    return value


def string(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text")
    return str(value)


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def integer(value: object) -> int:
    # Values that came through a template are text.
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
        raise ValueError(f"{value!r} is not a whole number")
    return int(str(value))


def within(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = integer(value)
        if not least <= number <= most:
            raise ValueError(f"{number} is not within {least} to {most}")
        return number

    return parse


count = within(1, 1024)


def positive(parse: Callable[[object], int]) -> Callable[[object], int]:
    def positive(value: object) -> int:
        number = parse(value)
        if number <= 0:
            raise ValueError(f"{value!r} has to be more than nothing")
        return number

    return positive


def size(value: object) -> int:
    number = positive(parse_size)(value)
    if number % MIB:
        raise ValueError(f"{value!r} is not a whole number of MiB")
    return number


def member(known: Collection[str], what: str) -> Callable[[object], str]:
    """A parser for the name of something there is, such as "a storage pool"."""

    def parse(value: object) -> str:
        text = string(value)
        if text in known:
            return text
        close = difflib.get_close_matches(text, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
        raise ValueError(f"{text!r} is not {what} ({remedy})")

    return parse


def list_of(parse: Callable[[Any], str]) -> Callable[[object], tuple[str, ...]]:
    return lambda value: tuple(parse(entry) for entry in sequence(value))


def matching(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = string(value)
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not {what}")
        return text

    return parse


def mac(value: object) -> str:
    text = matching(_MAC, "a MAC address such as 52:54:00:12:34:56")(str(value).lower())
    if int(text[:2], 16) & 1:
        raise ValueError(f"{text} is a multicast address: the first byte has to be even")
    return text


def uuid(value: object) -> str:
    try:
        return str(UUID(string(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not a UUID") from None


def ip(value: object) -> str:
    try:
        return str(ipaddress.ip_address(string(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None


def address(value: object) -> str:
    text = string(value)
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{value!r} is not an address with prefix length such as 10.0.0.20/24") from None
    if "/" not in text:
        raise ValueError(f"{text} lacks its prefix length: write {text}/{24 if interface.version == 4 else 64}")
    network = interface.network
    reserved = {network.network_address} if interface.version == 6 else {network[0], network[-1]}
    if network.num_addresses > 2 and interface.ip in reserved:
        raise ValueError(f"{interface.ip} is not a host's address in {network}")
    return str(interface)
