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
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from .errors import InvalidValue
from .quantities import MIB, format_size, parse_size
from .quoting import quoted, step

T = TypeVar("T")
IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The same few addresses are looked at again and again.
as_ip = lru_cache(maxsize=8192)(ipaddress.ip_address)
as_interface = lru_cache(maxsize=8192)(ipaddress.ip_interface)

#: Of a text: more than any key in use takes, and less than what makes a definition unwieldy.
_LONGEST = 4096
_SHORTEST_PREFIX = 8
#: Addresses that no host has, by the attribute of ipaddress that tells them.
_NO_HOST = (
    ("is_unspecified", "the address of nobody"),
    ("is_multicast", "a multicast address"),
    ("is_reserved", "a reserved address"),
)
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class Problem:
    """Something wrong with the YAML, at a place in it such as ``guests.minecraft.disks[0].size``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Unfit(InvalidValue):
    """All that is wrong with what somebody declared, each with its place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class Fields:
    """A mapping in the YAML that is being read: notes problems by path, and every key that nobody asked for."""

    def __init__(self, values: Mapping[str, Any], path: str, problems: list[Problem]) -> None:
        self.values = values
        self.path = path
        self.problems = problems
        self.asked: list[str] = []

    def note(self, key: str, message: str) -> None:
        self.problems.append(Problem(f"{self.path}.{step(key)}" if key else self.path, message))

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
                self.problems.append(Problem(path, f"{quoted(value)} is not a mapping"))

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
        raise ValueError(f"{quoted(value)} is not a mapping")
    return value


def sequence(value: object) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        short = isinstance(value, str) and value.isprintable() and len(value) < _LONGEST
        remedy = f": write [{value}]" if short else ""
        raise ValueError(f"{quoted(value)} is not a list{remedy}")
    return value


def string(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{quoted(value)} is not a text")
    return str(value)


def line(value: object) -> str:
    """A text on one line, with nothing in it that means something to a terminal, to XML or to another file's form."""
    text = string(value)
    if not text.isprintable():
        raise ValueError(f"{quoted(text)} has characters in it that cannot be seen: write one line of plain text")
    if len(text) > _LONGEST:
        raise ValueError(f"{quoted(text)} is {len(text)} characters long: {_LONGEST} are the most")
    return text


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{quoted(value)} is neither true nor false")
    return value


def integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    # Values that came through a template are text.
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise ValueError(f"{quoted(value)} is not a whole number")
    return int(value)


def within(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = integer(value)
        if not least <= number <= most:
            raise ValueError(f"{quoted(number)} is not within {least} to {most}")
        return number

    return parse


count = within(1, 1024)


def positive(parse: Callable[[object], int]) -> Callable[[object], int]:
    def positive(value: object) -> int:
        number = parse(value)
        if number <= 0:
            raise ValueError(f"{quoted(value)} has to be more than nothing")
        return number

    return positive


def size(value: object) -> int:
    number = positive(parse_size)(value)
    if number % MIB:
        near = f": write {number // MIB if number > MIB else number}MiB" if number > MIB or str(value).isdigit() else ""
        raise ValueError(f"{quoted(value)} is not a whole number of MiB{near}")
    return number


def at_most(most: int, parse: Callable[[object], int], form: Callable[[int], str] = format_size) -> Callable[..., int]:
    """A parser with an upper bound; ``form`` is how the bound is written."""

    def bounded(value: object) -> int:
        number = parse(value)
        if number > most:
            raise ValueError(f"{quoted(value)} is more than {form(most)}, the most there can be")
        return number

    return bounded


def member(known: Collection[str], what: str) -> Callable[[object], str]:
    """A parser for the name of something there is, such as "a storage pool"."""

    def parse(value: object) -> str:
        text = string(value)
        if text in known:
            return text
        close = difflib.get_close_matches(text, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
        raise ValueError(f"{quoted(text)} is not {what} ({remedy})")

    return parse


def list_of(parse: Callable[[Any], str]) -> Callable[[object], tuple[str, ...]]:
    return lambda value: tuple(parse(entry) for entry in sequence(value))


def matching(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = string(value)
        if not pattern.fullmatch(text):
            raise ValueError(f"{quoted(text)} is not {what}")
        return text

    return parse


def mac(value: object) -> str:
    if isinstance(value, int):
        raise ValueError(f"{quoted(value)} is what YAML makes of a MAC address without quotes: put it into quotes")
    text = matching(_MAC, "a MAC address such as 52:54:00:12:34:56")(value.lower() if isinstance(value, str) else value)
    if int(text[:2], 16) & 1:
        raise ValueError(f"{text} is a multicast address: the first byte has to be even")
    if text.startswith("fe:") or not text.strip("0:"):
        raise ValueError(f"{text} is kept for the node's own side: take one that starts with 52:54:00")
    return text


def uuid(value: object) -> str:
    text = string(value)
    try:
        # Python's own takes the digits of all scripts.
        return str(UUID(text if text.isascii() else ""))
    except ValueError:
        raise ValueError(f"{quoted(value)} is not a UUID") from None


def ip(value: object) -> str:
    """The address of one host."""
    found = _ip(value)
    if found.is_loopback:
        raise ValueError(f"{found} is a loopback address, which every host has for itself")
    return str(found)


def nameserver(value: object) -> str:
    """The address of a DNS server, which may be the host itself."""
    found = _ip(value)
    if found.is_link_local:
        raise ValueError(f"{found} is a link-local address: give one that needs no interface beside it")
    return str(found)


def _ip(value: object) -> IP:
    text = string(value)
    try:
        found = as_ip(text)
    except ValueError:
        raise ValueError(f"{quoted(value)} is not an IP address") from None
    _refuse_what_is_no_host(text, found)
    return found


def address(value: object) -> str:
    """The address of one host, with the prefix length of its network."""
    text = string(value)
    try:
        interface = as_interface(text)
    except ValueError:
        raise ValueError(f"{quoted(value)} is not an address with prefix length such as 10.0.0.20/24") from None
    _refuse_what_is_no_host(text, interface.ip)
    if "/" not in text:
        raise ValueError(f"{text} lacks its prefix length: write {text}/{24 if interface.version == 4 else 64}")
    network = interface.network
    if network.prefixlen < _SHORTEST_PREFIX:
        raise ValueError(f"{text}: a network of /{network.prefixlen} is too wide: give that of the bridge")
    if interface.is_loopback:
        raise ValueError(f"{interface.ip} is a loopback address, which every host has for itself")
    if is_edge(interface.ip, network):
        raise ValueError(f"{interface.ip} is not a host's address in {network}")
    return str(interface)


def is_edge(ip: IP, network: Network) -> bool:
    """Whether it is the network's own address or its broadcast, which no host has. IPv6 has no broadcasts."""
    if network.max_prefixlen - network.prefixlen < 2:
        return False
    return ip == network.network_address or (network.version == 4 and ip == network.broadcast_address)


def _refuse_what_is_no_host(text: str, found: IP) -> None:
    """Raises ValueError for what is not the address of one host, or not in the one way of writing it."""
    if "%" in text:
        raise ValueError(f"{quoted(text)} names an interface after %: leave that out")
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if mapped is not None:
        raise ValueError(f"{quoted(text)} is an IPv4 address written as one of IPv6: write {mapped}")
    kind = next((words for of, words in _NO_HOST if getattr(found, of)), None)
    if kind is not None and not found.is_loopback:
        raise ValueError(f"{found} is {kind}, no host's")
