# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The types of values in the guests model, each with its parser and its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..core import parse
from ..core.quantities import MIB, format_size, parse_duration
from .key import Type
from .types import Cluster, Kind

__all__ = [
    "ADDRESS",
    "BOOLEAN",
    "BRIDGE",
    "DOWNTIME",
    "DURATION",
    "GUEST_NAME",
    "IP",
    "LEAST_MEMORY",
    "MAC",
    "MEMORY",
    "NAME",
    "POOL",
    "RATE",
    "SIZE",
    "SSH_KEY",
    "TARGET",
    "TEXT",
    "UUID",
    "choice",
    "image",
    "list_of",
    "whole",
]

#: A guest's name is a host name.
GUEST_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LEAST_MEMORY = 32 * MIB
_MAX_DOWNTIME_CEILING_MS = 300
_TARGET = re.compile(r"vd[a-y]")
_SSH_KEY = re.compile(r"(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+( .*)?")


def plain(name: str, schema: Mapping[str, Any], parser: Callable[[Any], Any], unit: str = "") -> Type:
    """A type whose values are judged by themselves."""
    return Type(name, schema, lambda _cluster: parser, unit)


def text(name: str, parser: Callable[[Any], Any], pattern: str = "", unit: str = "") -> Type:
    """A type that is written as text. ``pattern`` is what editors check it by."""
    return plain(name, {"type": "string", **({"pattern": pattern} if pattern else {})}, parser, unit)


def whole(least: int, most: int) -> Type:
    """Whole numbers within bounds."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return plain(f"{least} to {most}", schema, parse.within(least, most))


def choice(what: str, *known: str) -> Type:
    """One of a few words."""
    return plain(" or ".join(known), {"enum": list(known)}, parse.member(known, what))


def list_of(entry: Type, name: str) -> Type:
    """A list of values of a type."""
    schema = {"type": "array", "items": entry.schema}
    return Type(name, schema, lambda cluster: parse.list_of(entry.bind(cluster)))


def image(kind: Kind, boot: str) -> Type:
    """The name of an image for a kind of guest, which boots from it in this way."""
    return Type("image", {"type": "string"}, lambda cluster: _image(cluster, kind, boot))


def _image(cluster: Cluster, kind: Kind, boot: str) -> Callable[[object], str]:
    known = {name for name, kinds in cluster.images.items() if kind in kinds}
    member = parse.member(known, f"an image for a {kind}")

    def read_image(value: object) -> str:
        name = member(value)
        if (its := cluster.images[name][kind]) != boot:
            place = {"kernel": "image of the VM itself", "disk": "image of the VM's first disk"}[its]
            raise ValueError(f"{name!r} boots from a {its}: make it the {place}")
        return name

    return read_image


def _bridge(cluster: Cluster) -> Callable[[object], str]:
    if cluster.bridges is None:
        return parse.string
    return parse.member(cluster.bridges, "a bridge in network_bridges")


def _pool(cluster: Cluster) -> Callable[[object], str]:
    return parse.member(cluster.pools, "a storage pool")


def _memory(value: object) -> int:
    memory = parse.size(value)
    if memory < LEAST_MEMORY:
        raise ValueError(f"{format_size(memory)} is too little to start anything: give {format_size(LEAST_MEMORY)}")
    return memory


def _rate(value: object) -> int:
    # 128MiB and 128MiB/s both read as what is meant.
    return parse.size(value.removesuffix("/s") if isinstance(value, str) else value)


def _downtime(value: object) -> int:
    downtime = parse.positive(parse_duration)(value)
    if downtime > _MAX_DOWNTIME_CEILING_MS:
        raise ValueError(f"a pause of more than {_MAX_DOWNTIME_CEILING_MS}ms cuts connections: ask for less")
    return downtime


_SIZE = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|KiB|MiB|GiB|TiB|K|M|G|T)?"
_DURATION = r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|min|h)\s*$"
_SIZE_SCHEMA = {"type": ["string", "integer"], "pattern": rf"{_SIZE}\s*$"}

TEXT = text("text", parse.string)
NAME = text("name", parse.string)
BOOLEAN = plain("true or false", {"type": "boolean"}, parse.boolean)
SIZE = plain("size", _SIZE_SCHEMA, parse.size, "bytes")
MEMORY = plain("size", _SIZE_SCHEMA, _memory, "bytes")
RATE = plain("size a second", {"type": ["string", "integer"], "pattern": rf"{_SIZE}(/s)?\s*$"}, _rate, "bytes/s")
DURATION = text("duration", parse.positive(parse_duration), _DURATION, "ms")
DOWNTIME = text(f"duration, at most {_MAX_DOWNTIME_CEILING_MS}ms", _downtime, _DURATION, "ms")
MAC = text("MAC address", parse.mac, r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$")
UUID = text("UUID", parse.uuid)
IP = text("IP address", parse.ip, r"^[0-9a-fA-F.:]+$")
ADDRESS = text("address/prefix length", parse.address, r"^[0-9a-fA-F.:]+/[0-9.]+$")
TARGET = text("vda to vdy", parse.matching(_TARGET, "a disk name from vda to vdy"), r"^vd[a-y]$")
SSH_KEY = text("public SSH key", parse.matching(_SSH_KEY, "a public SSH key such as 'ssh-ed25519 AAAA… you@laptop'"))
BRIDGE = Type("bridge", {"type": "string"}, _bridge)
POOL = Type("pool", {"type": "string"}, _pool)
