# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that the cluster knows, beside those declared: what contradicts them is refused before anything is touched.

A guest that is no longer mentioned is left alone, so one under a new name would run beside itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.parse import Problem
from ..guest.definition import Definition

__all__ = ["KnownGuests", "identity"]


def identity(definition: Definition) -> dict[str, Any]:
    """What a guest is known by, from a definition of any version: its kind, UUID, MAC and IP addresses, and what its
    volumes were made from, by a disk's target or ``rootfs``, as far as that is told."""
    nics = definition.get("nics") or ()
    volumes = {disk.get("target"): disk for disk in definition.get("disks") or () if not disk.get("readonly")}
    if "rootfs" in definition:
        volumes["rootfs"] = definition["rootfs"]
    return {
        "kind": definition.get("kind"),
        "uuid": definition.get("uuid"),
        "macs": [str(nic.get("mac")) for nic in nics],
        "addresses": [str(address).partition("/")[0] for nic in nics for address in nic.get("addresses") or ()],
        "images": {place: volume["image"] for place, volume in volumes.items() if "image" in volume},
    }


@dataclass(frozen=True)
class KnownGuests:
    """The guests that the cluster knows, by name (see :func:`identity`)."""

    known: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, seen: Mapping[str, Mapping[str, Any]]) -> KnownGuests:
        """From what module local_volumes_info said on each node."""
        known: dict[str, Mapping[str, Any]] = {}
        for its in seen.values():
            known |= its.get("guests") or {}
        return cls(known)

    def refusals(self, declared: Mapping[str, Definition | None]) -> Iterator[Problem]:
        """What of a declaration contradicts what there is, each with its remedy. Absent guests are None."""
        for name, definition in declared.items():
            if definition is None:
                continue
            if name in self.known:
                yield from _itself(name, self.known[name], definition)
            yield from self._doubles(name, definition, [other for other in self.known if other not in declared])

    def _doubles(self, name: str, definition: Definition, others: list[str]) -> Iterator[Problem]:
        wanted = identity(definition)
        for other in others:
            known = self.known[other]
            shared = [mac for mac in wanted["macs"] if mac in known["macs"]]
            shared += [address for address in wanted["addresses"] if address in known["addresses"]]
            shared += [wanted["uuid"]] if wanted["uuid"] and wanted["uuid"] == known["uuid"] else []
            if shared:
                yield Problem(
                    f"guests.{name}",
                    f"{', '.join(shared)} is also that of {other}, which is in the cluster and not "
                    f"declared. A guest that is not mentioned is left alone, so both would run. If {name} is its new "
                    f"name, declare {other} with state: absent (its disks stay, under its name); else give {name} "
                    "others",
                )


def _itself(name: str, known: Mapping[str, Any], definition: Definition) -> Iterator[Problem]:
    if known["kind"] != definition["kind"]:
        words = {"vm": "VM"}
        yield Problem(
            f"guests.{name}.kind",
            f"the cluster knows {name} as a {words.get(known['kind'], known['kind'])}, and a guest "
            "of another kind is another guest: give it another name, or remove the old one first (state: absent)",
        )
        return
    for place, image in identity(definition)["images"].items():
        if image is not None and known["images"].get(place, image) != image:
            key = "rootfs.image" if place == "rootfs" else f"disks[{place}].image"
            made = f"was made from {known['images'][place]}" if known["images"][place] else "was made empty"
            yield Problem(
                f"guests.{name}.{key}",
                f"it {made}, and no play makes it anew from {image}. Leave that as it was. To "
                "begin anew: a guest of another name, or this one removed with its disks first (state: absent, "
                "remove_disks: true)",
            )
