# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The definition of a guest: what the controller makes of the user's YAML and the agents start a guest from.

A definition is a JSON object, kept as an attribute of the guest's Pacemaker resource. Here is what both kinds
of guest share: its one written form and its one reader, identities derived from the guest's name (so that they are the
same on every node and in every run), and the record of a difference.

The cluster keeps definitions for years: those of guests that nobody declares any more are never written anew, and while
Drover is being upgraded nodes read what a newer one has written. So a key that is added gets a default here, a key that
is not known is left out and told, and :data:`SCHEMA` grows only when a key that was there gets another meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = [
    "IDMAP",
    "READ_AT_START",
    "SCHEMA",
    "Action",
    "Change",
    "Definition",
    "Reading",
    "adopted",
    "alike",
    "compact",
    "derived_mac",
    "derived_uuid",
    "host_interface",
    "is_local",
    "promised_memory",
    "read",
    "read_anew",
    "restart",
    "shown",
]

Definition = Mapping[str, Any]

Action = Literal[
    "set-vcpus",
    "set-memory",
    "attach-interface",
    "detach-interface",
    "update-interface",
    "attach-disk",
    "detach-disk",
    "grow-disk",
    "set-limits",
    "restart",
]

#: The schema of definitions as this version writes and reads them. One that says nothing about it is of schema 1.
SCHEMA = 1

#: What an unprivileged container's users 0 to 65535 are on the node.
IDMAP = {"start": 10_000_000, "count": 65_536}

#: The keys of a definition that a guest reads when it starts, and not again.
READ_AT_START = ("nameservers", "ssh_keys")

#: QEMU's and Xen's customary prefix for virtual interfaces.
_MAC_PREFIX = "52:54:00"


def compact(definition: Definition) -> str:
    """A definition as the CIB holds it: JSON on one line, keys sorted, so that equal means identical."""
    return json.dumps(definition, sort_keys=True, separators=(",", ":"))


class _Key(NamedTuple):
    """A key of a definition: what its value may be, and what holds when it is missing.

    ``of`` are types, the values there are, the keys of a mapping, or a list with the keys of its entries. ``default``
    may be made from what has been read by then; without one the guest is not known well enough to be started.
    """

    of: tuple[type, ...] | frozenset[str] | dict[str, _Key] | list[dict[str, _Key]]
    default: Any = ...


_NUMBER, _TEXT, _FLAG = (int,), (str,), (bool,)
_TEXT_OR_NONE, _NUMBER_OR_NONE = (str, type(None)), (int, float, type(None))
#: In place of a default: a key that may be missing, and then is.
_ABSENT: Any = object()

_NIC: dict[str, _Key] = {
    "mac": _Key(_TEXT),
    "bridge": _Key(_TEXT),
    "vlan": _Key(_NUMBER_OR_NONE, None),
    "mtu": _Key(_NUMBER_OR_NONE, None),
    "addresses": _Key((list,), ()),
    "gateways": _Key((list,), ()),
    "name": _Key(_TEXT, _ABSENT),
    "trusted": _Key(_FLAG, _ABSENT),
}
#: What is let pass: a protocol (tcp, udp, icmp, any), ports ("22", "8000-8100"), and networks of the other side.
_RULE: dict[str, _Key] = {
    "protocol": _Key(_TEXT),
    "ports": _Key((list,), _ABSENT),
    "peers": _Key((list,), _ABSENT),
}
_COMMON: dict[str, _Key] = {
    "schema": _Key(_NUMBER, SCHEMA),
    "kind": _Key(_TEXT),
    "name": _Key(_TEXT),
    "vcpus": _Key(_NUMBER, 1),
    "memory": _Key(_NUMBER),
    "description": _Key(_TEXT, _ABSENT),
    # False: no YAML is this guest's truth, and it is edited in the console.
    "declared": _Key(_FLAG, _ABSENT),
    "stop_timeout": _Key((int, float), 60),
    "on_poweroff": _Key(frozenset({"restart", "stop"}), "restart"),
    # What the guest reads when it starts. Nobody knows what one has read of which an older version wrote nothing.
    "nameservers": _Key((list,), _ABSENT),
    "ssh_keys": _Key((list,), _ABSENT),
    "nics": _Key([_NIC], ()),
    # A list that is missing lets everything pass.
    "firewall": _Key({"in": _Key([_RULE], _ABSENT), "out": _Key([_RULE], _ABSENT)}, _ABSENT),
}
#: What a migration may do to its guest; what is not said is left to migration's own defaults
#: (guest/migration_policy.Policy).
_POLICY: dict[str, _Key] = {
    "bandwidth": _Key(_NUMBER_OR_NONE, _ABSENT),
    "timeout": _Key(_NUMBER_OR_NONE, _ABSENT),
}
_SOURCE: dict[str, _Key] = {"path": _Key(_TEXT), "shared": _Key(_FLAG, _ABSENT)}
_DISK: dict[str, _Key] = {
    "target": _Key(_TEXT),
    "source": _Key({**_SOURCE, "type": _Key(frozenset({"file", "rbd"})), "format": _Key(_TEXT)}),
    "size": _Key(_NUMBER, 0),
    "image": _Key(_TEXT_OR_NONE, _ABSENT),
    "readonly": _Key(_FLAG, False),
}
_KERNEL: dict[str, _Key] = {"kernel": _Key(_TEXT), "initrd": _Key(_TEXT), "cmdline": _Key(_TEXT, "")}
_VM: dict[str, _Key] = {
    **_COMMON,
    "uuid": _Key(_TEXT, lambda known: derived_uuid(known["name"])),
    "max_vcpus": _Key(_NUMBER, lambda known: known["vcpus"]),
    "max_memory": _Key(_NUMBER, lambda known: known.get("memory", 0)),
    "cpu": _Key(_TEXT_OR_NONE, None),
    "screen": _Key(_FLAG, _ABSENT),
    "firmware": _Key(_TEXT, "bios"),
    "kernel": _Key(_KERNEL, None),
    "disks": _Key([_DISK]),
    "migration": _Key(
        {
            **_POLICY,
            "max_downtime": _Key(_NUMBER, _ABSENT),
            "auto_converge": _Key(_FLAG, _ABSENT),
            "post_copy": _Key(_TEXT, _ABSENT),
            "channels": _Key(_NUMBER, _ABSENT),
        },
        {},
    ),
}
_MOUNT: dict[str, _Key] = {"source": _Key(_TEXT), "target": _Key(_TEXT), "read_only": _Key(_FLAG, True)}
_CONTAINER: dict[str, _Key] = {
    **_COMMON,
    "privileged": _Key(_FLAG, False),
    "idmap": _Key({"start": _Key(_NUMBER), "count": _Key(_NUMBER)}, IDMAP),
    "rootfs": _Key(
        {
            **_SOURCE,
            "type": _Key(frozenset({"directory"})),
            "size": _Key(_NUMBER, _ABSENT),
            "image": _Key(_TEXT_OR_NONE, _ABSENT),
        }
    ),
    "devices": _Key((list,), ()),
    "mounts": _Key([_MOUNT], ()),
    "migration": _Key(_POLICY, {}),
}
_KINDS = {"vm": _VM, "container": _CONTAINER}


class Reading(NamedTuple):
    """A definition as this version of Drover understands it.

    ``definition`` has every key that code asks for, but those named in ``missing``, without which the guest cannot be
    started. ``problems`` are what keeps the guest from being changed or moved: a schema to come, values that cannot be,
    and all that is missing. ``unknown`` are the paths of keys that were left out.
    """

    definition: dict[str, Any]
    unknown: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def read(definition: Definition | str) -> Reading:
    """Read a definition, whichever version of Drover has written it. Raises ValueError for what is no guest's."""
    raw = json.loads(definition) if isinstance(definition, str) else definition
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
        raise ValueError("it does not name a guest")
    if raw.get("kind") not in _KINDS:
        raise ValueError(f"guests of kind {raw.get('kind')!r} are not known here; known are {', '.join(_KINDS)}")
    reader = _Reader([], [], [])
    known = reader.mapping(raw, _KINDS[raw["kind"]], "")
    if known["schema"] > SCHEMA:
        reader.problems.insert(0, f"it is of schema {known['schema']}, this node knows {SCHEMA}: run site.yml for it")
    for index, nic in enumerate(known["nics"]):
        if raw["kind"] == "container":
            nic.setdefault("name", f"eth{index}")
    return Reading(known, *map(tuple, reader))


def alike(one: Definition | str, other: Definition | str) -> bool:
    """Whether two definitions say the same of a guest: one may leave out what is the default, or the schema."""
    try:
        first, second = read(one), read(other)
    except ValueError:
        return False
    return first == second and not first.unknown and not first.problems


class _Reader(NamedTuple):
    """Fills in what is missing, and notes what it comes across on the way."""

    unknown: list[str]
    problems: list[str]
    missing: list[str]

    def mapping(self, raw: Mapping[str, Any], keys: Mapping[str, _Key], path: str) -> dict[str, Any]:
        self.unknown.extend(f"{path}{key}" for key in raw if key not in keys)
        known: dict[str, Any] = {}
        for name, key in keys.items():
            value = self._value(raw[name], key, f"{path}{name}") if name in raw else _ABSENT
            if value is _ABSENT:
                value = key.default(known) if callable(key.default) else key.default
                value = list(value) if value == () else dict(value) if isinstance(value, Mapping) else value
            if value is ...:
                self._lack(f"{path}{name}")
            elif value is not _ABSENT:
                known[name] = value
        return known

    def _value(self, value: Any, key: _Key, path: str) -> Any:
        """What is there, as far as it can be; _ABSENT when it cannot."""
        if isinstance(key.of, tuple):
            # To Python a bool is an int. The lists among plain values are of texts.
            fits = isinstance(value, key.of) and (not isinstance(value, bool) or bool in key.of)
            fits = fits and not (isinstance(value, list) and any(not isinstance(entry, str) for entry in value))
        elif isinstance(key.of, frozenset):
            fits = isinstance(value, str) and value in key.of
        elif isinstance(key.of, dict):
            if value is None and key.default is None:
                return None
            fits = isinstance(value, Mapping)
            if fits:
                return self._whole(value, key.of, path)
        else:
            fits = isinstance(value, (list, tuple))
            if fits:
                whole = [self._whole(entry, key.of[0], f"{path}[{index}]") for index, entry in enumerate(value)]
                return [entry for entry in whole if entry is not _ABSENT]
        if fits:
            return value
        self.problems.append(f"{path} is {value!r}")
        return _ABSENT

    def _whole(self, raw: Any, keys: Mapping[str, _Key], path: str) -> Any:
        """A part of the definition; _ABSENT when it is no mapping, or lacks something."""
        if not isinstance(raw, Mapping):
            self._lack(path)
            return _ABSENT
        before = len(self.missing)
        part = self.mapping(raw, keys, f"{path}.")
        return _ABSENT if len(self.missing) > before else part

    def _lack(self, path: str) -> None:
        self.missing.append(path)
        self.problems.append(f"{path} is missing")


def is_local(definition: Definition) -> bool:
    """Whether any of the guest's data is on storage that one node alone has."""
    sources = [disk["source"] for disk in definition.get("disks", ())]
    sources += [definition["rootfs"]] if "rootfs" in definition else []
    return any(source.get("shared") is False for source in sources)


def promised_memory(definition: Definition) -> int:
    """The memory in bytes that a guest can come to use without anybody's leave.

    A VM's ``memory`` is only what it is asked to make do with: its machine has ``max_memory``, and a guest without a
    balloon driver, or one that says no, uses all of it.
    """
    memory = int(definition["memory"])
    return max(memory, int(definition.get("max_memory") or 0)) if definition.get("kind") == "vm" else memory


def derived_uuid(name: str) -> str:
    """The UUID of the guest ``name``."""
    import uuid  # not what an agent needs that looks after a guest

    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, "urn:cspp:drover:guest"), name))


def derived_mac(name: str, index: int) -> str:
    """The MAC address of interface number ``index`` of the guest ``name``."""
    import hashlib

    digest = hashlib.sha256(f"{name}/{index}".encode()).hexdigest()
    return ":".join([_MAC_PREFIX, digest[0:2], digest[2:4], digest[4:6]])


def host_interface(name: str, mac: str) -> str:
    """The node's side of a guest's interface: ``minecraf-3fa2c1``.

    The kernel allows 15 characters. The MAC address rather than the position tells interfaces of one
    guest apart, so that removing the first of two does not rename the second.
    """
    return f"{name[:8]}-{mac.replace(':', '')[-6:]}"


@dataclass(frozen=True)
class Change:
    """One way in which a running guest is not what its definition says.

    ``path`` names the place as the user's YAML does (disks by target, interfaces by MAC address),
    ``before`` and ``after`` are for people. ``action`` says how to bring it about. What the action needs
    comes along: ``value`` (vcpus, or bytes of memory or of the disk ``target``), or ``device``, the XML of
    the device to attach, detach or update. ``set-limits`` is all limits of a container at once.
    """

    path: str
    before: str | None
    after: str | None
    action: Action
    device: str | None = None
    value: int | None = None
    target: str | None = None

    @property
    def how(self) -> Literal["live", "restart"]:
        """Whether the change can be made while the guest runs."""
        return "restart" if self.action == "restart" else "live"


def read_anew(started: Definition, definition: Definition) -> list[Change]:
    """What the guest would read otherwise if it started now: its DNS servers and SSH keys.

    ``started`` is what it was started from; what that does not say is taken for what is wanted.
    """
    return [
        restart(key, [_short(value) for value in started[key]], [_short(value) for value in definition[key]])
        for key in READ_AT_START
        if key in started and key in definition and list(started[key]) != list(definition[key])
    ]


def adopted(started: Definition, definition: Definition) -> dict[str, Any]:
    """What a running guest is to remember of what it has read, where an older version has written nothing."""
    return {key: definition[key] for key in READ_AT_START if key in definition and key not in started}


def _short(value: str) -> str:
    """A line that people can tell from others: of an SSH key whose it is, else its end."""
    kind, _, rest = value.partition(" ")
    key, _, comment = rest.partition(" ")
    return value if not key else comment or f"{kind} ...{key[-8:]}"


def restart(path: str, before: object, after: object) -> Change:
    """A change that only a restart can make."""
    return Change(path, shown(before), shown(after), "restart")


def shown(value: object) -> str | None:
    """A value as a difference shows it to people; None for what is not there."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {entry}" for key, entry in value.items()) or None
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or None
    return None if value is None else str(value)
