# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The definition of a guest: what the controller makes of the user's YAML and the agents start a guest from.

A definition is a JSON object, kept as an attribute of the guest's Pacemaker resource. Here is what both kinds
of guest share: its one written form, identities derived from the guest's name (so that they are the same on
every node and in every run), and the record of a difference.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Action",
    "Change",
    "Definition",
    "compact",
    "derived_mac",
    "derived_uuid",
    "host_interface",
    "is_local",
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

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:cspp:drover:guest")
#: QEMU's and Xen's customary prefix for virtual interfaces.
_MAC_PREFIX = "52:54:00"


def compact(definition: Definition) -> str:
    """A definition as the CIB holds it: JSON on one line, keys sorted, so that equal means identical."""
    return json.dumps(definition, sort_keys=True, separators=(",", ":"))


def is_local(definition: Definition) -> bool:
    """Whether any of the guest's data is on storage that one node alone has."""
    sources = [disk["source"] for disk in definition.get("disks", ())]
    sources += [definition["rootfs"]] if "rootfs" in definition else []
    return any(source.get("shared") is False for source in sources)


def derived_uuid(name: str) -> str:
    """The UUID of the guest ``name``."""
    return str(uuid.uuid5(_NAMESPACE, name))


def derived_mac(name: str, index: int) -> str:
    """The MAC address of interface number ``index`` of the guest ``name``."""
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
