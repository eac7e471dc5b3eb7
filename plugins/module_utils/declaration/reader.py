# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model a user writes: guests as YAML, read and judged as a whole before anything is touched.

``read`` turns the YAML into :class:`types.Guest` objects, by the table in :mod:`keys`, and collects everything that is
wrong with it, each with its path in the YAML.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from ..core import parse
from . import networks
from .checks import CHECKS
from .keys import STATE_KEYS, children
from .placement import impossibilities, worries
from .sections import Notes, Place, Section, unknown
from .types import Cluster, Disk, Guest, Kind
from .values import GUEST_NAME

__all__ = ["Reading", "read"]

_KINDS: tuple[Kind, ...] = ("vm", "container")


@dataclass(frozen=True)
class Reading:
    """What ``read`` made of the YAML: guests by name, what forbids going on, and what is only worth knowing."""

    guests: Mapping[str, Guest]
    problems: tuple[parse.Problem, ...]
    warnings: tuple[str, ...]


def read(guests: object, cluster: Cluster) -> Reading:
    """Read the value of ``guests:`` and judge it as a whole. Problems come in the order of the guests."""
    if not isinstance(guests, Mapping):
        return Reading({}, (parse.Problem("guests", "is not a mapping from names to guests"),), ())
    sections = _Sections(cluster)
    found: dict[str, Guest] = {}
    notes: dict[str, Notes] = {}
    for name, entry in ((str(key), entry) for key, entry in guests.items()):
        place = Place(f"guests.{name}", name, notes.setdefault(name, Notes()))
        for message in _name_problems(name, cluster):
            place.note("", message)
        if not isinstance(entry, Mapping):
            place.note("", "is not a mapping with the guest's properties")
        else:
            found[name] = sections.read(entry, place)
    present = {name: guest for name, guest in found.items() if guest.state == "present"}
    for name, at, text in (*_duplicates(present, cluster), *impossibilities(present, cluster.nodes)):
        notes[name].problems.append(parse.Problem(f"guests.{name}.{at}", text))
    problems = dict.fromkeys(chain.from_iterable(its.problems for its in notes.values()))
    warnings = chain.from_iterable(its.warnings for its in notes.values())
    return Reading(found, tuple(problems), (*warnings, *_worries(present, cluster)))


class _Sections:
    """The mappings that a guest can be, in one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        make, check = partial(_made, cluster), CHECKS[""]
        self._present = {kind: Section(children(""), make, kind, cluster, check) for kind in _KINDS}
        self._absent = Section(STATE_KEYS, Guest, "vm", cluster)
        self._known = {key.name for key in children("")}

    def read(self, raw: Mapping[Any, Any], place: Place) -> Guest:
        guest: Guest
        if raw.get("state") == "absent":
            for name in raw:
                if name not in self._known:
                    place.note(str(name), unknown(name, self._known))
            # What else is said of it stays as it is, for the day it comes back.
            asked = {key.name: raw[key.name] for key in STATE_KEYS if key.name in raw}
            guest = self._absent.read(asked, place, name=place.guest)
        else:
            told = raw.get("kind", "container" if "rootfs" in raw else "vm")
            kind: Kind = "container" if told == "container" else "vm"
            guest = self._present[kind].read(raw, place, name=place.guest, kind=kind)
        return guest


def _made(cluster: Cluster, *, ssh_keys: tuple[str, ...], disks: tuple[Disk, ...] = (), **values: Any) -> Guest:
    return Guest(
        ssh_keys=tuple(dict.fromkeys([*cluster.ssh_keys, *ssh_keys])),
        disks=disks,
        seed_pool=disks[0].pool if disks else cluster.default_pool,
        **values,
    )


# --- judging all guests together -----------------------------------------------------------------------------


def _name_problems(name: str, cluster: Cluster) -> Iterator[str]:
    if not GUEST_NAME.fullmatch(name):
        yield "a guest's name is a host name: lower-case letters, digits and dashes, at most 63, a letter first"
    if name.startswith("drover-"):
        yield "names that start with drover- are kept for Drover's own objects in the cluster"
    if name in cluster.nodes:
        yield "is the name of a node"


def _duplicates(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """What two guests cannot both have, as (guest, path within it, message)."""
    owners = {str(ipaddress.ip_address(address)): owner for address, owner in cluster.taken.items()}
    macs: dict[str, str] = {}
    uuids: dict[str, str] = {}
    for name, guest in guests.items():
        if guest.uuid in uuids:
            yield name, "uuid", f"{guest.uuid} is also that of {uuids[guest.uuid]}"
        elif guest.uuid:
            uuids[guest.uuid] = f"guests.{name}"
        for index, nic in enumerate(guest.nics):
            at = f"nics[{index}]"
            path = f"guests.{name}.{at}"
            if (first := macs.setdefault(nic.mac, path)) != path:
                yield name, f"{at}.mac", f"{nic.mac} is also that of {first}"
            for address in nic.addresses:
                ip = address.partition("/")[0]
                if (owner := owners.setdefault(ip, path)) != path:
                    yield name, f"{at}.address", f"{ip} is also the address of {owner}"


def _worries(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[str]:
    """What is possible, but not what the user may think."""
    yield from worries(guests, cluster.nodes)
    yield from _bound(guests, cluster)
    yield from networks.worries(guests, cluster)


def _bound(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[str]:
    """What high availability cannot do."""
    for name, guest in guests.items():
        pools = {disk.pool for disk in guest.disks} | ({guest.rootfs.pool} if guest.rootfs else {guest.seed_pool})
        local = sorted(pools.intersection(cluster.local_pools))
        if local and guest.ha:
            yield (
                f"{name} is on storage of one node's own (pool {', '.join(local)}): when that node is lost, it waits "
                "for its return"
            )
