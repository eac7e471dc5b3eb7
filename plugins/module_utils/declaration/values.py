# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The types of values in the guests model, each with its parser and its JSON Schema."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..core import parse
from ..core.quantities import MIB, TIB, format_duration, format_size, parse_duration
from ..core.quoting import quoted
from .key import Type
from .types import Cluster, Kind

__all__ = [
    "ADDRESS",
    "BOOLEAN",
    "BRIDGE",
    "CPU",
    "DEVICE",
    "DOWNTIME",
    "GUEST_NAME",
    "IP",
    "LEAST_MEMORY",
    "MAC",
    "MEMORY",
    "NAME",
    "NAMESERVER",
    "PATH",
    "POOL",
    "RATE",
    "SIZE",
    "SSH_KEY",
    "TARGET",
    "TEXT",
    "UUID",
    "choice",
    "duration",
    "image",
    "list_of",
    "whole",
]

#: A guest's name is a host name.
GUEST_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LEAST_MEMORY = 32 * MIB
_MAX_DOWNTIME_CEILING_MS = 300
_TARGET = re.compile(r"vd[a-y]")
_BRIDGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_CPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SSH_KEY = re.compile(r"((?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,3})( .*)?")
_MOST_MEMORY = 16 * TIB
_LARGEST_DISK = 64 * TIB
#: Bytes of the shortest key in use, with its name: an ed25519 one.
_SHORTEST_KEY = 51
_DEVICE = re.compile(r"/dev(/[A-Za-z0-9_:+-][A-Za-z0-9._:+-]*)+")
#: What stands in a line of LXC's configuration as it is.
_PATH = re.compile(r"(/[^\s/\\\"'#\x00-\x1f\x7f]+)+")


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

    def bind(cluster: Cluster) -> Callable[[object], tuple[str, ...]]:
        entries = parse.list_of(entry.bind(cluster))
        # What is in it twice counts once: the cluster takes no two constraints of one name.
        return lambda value: tuple(dict.fromkeys(entries(value)))

    return Type(name, schema, bind)


def duration(least: int, most: int) -> Type:
    """Durations within bounds, in ms."""

    def read(value: object) -> int:
        number = parse_duration(value)
        if not least <= number <= most:
            bounds = f"{format_duration(least)} to {format_duration(most)}"
            raise ValueError(f"{quoted(value)} is not within {bounds}")
        return number

    return text(f"{format_duration(least)} to {format_duration(most)}", read, _DURATION, "ms")


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
            raise ValueError(f"{quoted(name)} boots from a {its}: make it the {place}")
        return name

    return read_image


def _bridge(cluster: Cluster) -> Callable[[object], str]:
    """A bridge is a name that the kernel takes, also where nobody knows which there are."""
    named = parse.matching(_BRIDGE, "the name of a bridge such as br0")
    known = named if cluster.bridges is None else parse.member(cluster.bridges, "a bridge in network_bridges")
    return lambda value: known(named(value))


def _cpu(cluster: Cluster) -> Callable[[object], str]:
    named = parse.matching(_CPU, "the name of a CPU model such as EPYC-Rome")
    if cluster.cpu_models is None:
        return named
    known = parse.member({*cluster.cpu_models, "host-model", "host-passthrough"}, "a CPU model that all nodes know")
    return lambda value: known(named(value))


def _pool(cluster: Cluster) -> Callable[[object], str]:
    return parse.member(cluster.pools, "a storage pool")


def _memory(value: object) -> int:
    memory = parse.at_most(_MOST_MEMORY, parse.size)(value)
    if memory < LEAST_MEMORY:
        raise ValueError(f"{format_size(memory)} is too little to start anything: give {format_size(LEAST_MEMORY)}")
    return memory


def _rate(value: object) -> int:
    # 128MiB and 128MiB/s both read as what is meant.
    return parse.size(value.removesuffix("/s") if isinstance(value, str) else value)


def _path(value: object) -> str:
    text = parse.string(value)
    if not _PATH.fullmatch(text) or not text.isprintable() or {"..", "."} & set(text.split("/")):
        raise ValueError(f"{quoted(text)} is not an absolute path, without spaces, quotes, '..' or a slash at its end")
    return text


def _downtime(value: object) -> int:
    downtime = parse.positive(parse_duration)(value)
    if downtime > _MAX_DOWNTIME_CEILING_MS:
        raise ValueError(f"a pause of more than {_MAX_DOWNTIME_CEILING_MS}ms cuts connections: ask for less")
    return downtime


def _ssh_key(value: object) -> str:
    """A public key, as far as can be told without its algorithm: its second word says its first once more."""
    key = parse.line(value)
    match = _SSH_KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{quoted(key)} is not a public SSH key such as 'ssh-ed25519 AAAA... you@laptop'")
    try:
        blob = base64.b64decode(match[2], validate=True)
    except ValueError:
        blob = b""
    kind = match[1].encode()
    if blob[: 4 + len(kind)] != len(kind).to_bytes(4, "big") + kind or len(blob) < _SHORTEST_KEY:
        raise ValueError(f"{quoted(key)} is not a whole public SSH key: copy the line of the .pub file once more")
    return key


_SIZE = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|KiB|MiB|GiB|TiB|K|M|G|T)?"
_DURATION = r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|min|h)\s*$"
_SIZE_SCHEMA = {"type": ["string", "integer"], "pattern": rf"{_SIZE}\s*$"}

TEXT = text("text", parse.line)
NAME = text("name", parse.line)
CPU = Type("CPU model", {"type": "string", "pattern": f"^{_CPU.pattern}$"}, _cpu)
BOOLEAN = plain("true or false", {"type": "boolean"}, parse.boolean)
SIZE = plain("size", _SIZE_SCHEMA, parse.at_most(_LARGEST_DISK, parse.size), "bytes")
MEMORY = plain("size", _SIZE_SCHEMA, _memory, "bytes")
RATE = plain("size a second", {"type": ["string", "integer"], "pattern": rf"{_SIZE}(/s)?\s*$"}, _rate, "bytes/s")
DOWNTIME = text(f"duration, at most {_MAX_DOWNTIME_CEILING_MS}ms", _downtime, _DURATION, "ms")
MAC = text("MAC address", parse.mac, r"^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$")
UUID = text("UUID", parse.uuid)
IP = text("IP address", parse.ip, r"^[0-9a-fA-F.:]+$")
NAMESERVER = text("IP address", parse.nameserver, r"^[0-9a-fA-F.:]+$")
ADDRESS = text("address/prefix length", parse.address, r"^[0-9a-fA-F.:]+/[0-9.]+$")
DEVICE = text("device", parse.matching(_DEVICE, "a device such as /dev/net/tun"), r"^/dev/[A-Za-z0-9._:+/-]+$")
PATH = text("absolute path", _path, r"^/.+$")
TARGET = text("vda to vdy", parse.matching(_TARGET, "a disk name from vda to vdy"), r"^vd[a-y]$")
SSH_KEY = text("public SSH key", _ssh_key, r"^(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]+={0,3}( .*)?$")
BRIDGE = Type("bridge", {"type": "string", "pattern": f"^{_BRIDGE.pattern}$"}, _bridge)
POOL = Type("pool", {"type": "string"}, _pool)
