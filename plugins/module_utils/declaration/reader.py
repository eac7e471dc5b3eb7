# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model a user writes: guests as YAML, read and judged as a whole before anything is touched.

``read`` turns the YAML into :class:`types.Guest` objects, by the table in :mod:`keys`, and collects everything that is
wrong with it, each with its path in the YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from ..core import parse
from ..core.quoting import quoted, step
from . import networks
from .advice import advice
from .checks import CHECKS
from .conflicts import conflicts, name_problems
from .firewall import joined
from .firewall_names import named
from .keys import STATE_KEYS, children
from .placement import impossibilities, worries
from .sections import Notes, Place, Section, unknown
from .types import Cluster, Disk, Firewall, Guest, Kind
from .values import GUEST_NAME, NAMESERVER, SSH_KEY

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
    cluster, groups, wrong = named(cluster)
    sections = _Sections(cluster, groups)
    found: dict[str, Guest] = {}
    notes: dict[str, Notes] = {}
    for name, entry in ((key if isinstance(key, str) else quoted(key), entry) for key, entry in guests.items()):
        place = Place(f"guests.{step(name)}", ascii(name)[1:-1], notes.setdefault(name, Notes()))
        for message in name_problems(name, cluster):
            place.note("", message)
        if not isinstance(entry, Mapping):
            place.note("", "is not a mapping with the guest's properties")
        else:
            found[name] = sections.read(entry, place)
    present = {name: guest for name, guest in found.items() if guest.state != "absent"}
    for name, at, text in (
        *conflicts(present, cluster),
        *impossibilities(present, cluster.nodes),
        *networks.claims(present, cluster),
    ):
        notes[name].problems.append(parse.Problem(f"guests.{step(name)}.{at}", text))
    problems = dict.fromkeys(chain(_defaults(cluster), wrong, *(its.problems for its in notes.values())))
    # Of those whose names are no names enough has been said.
    judged = {name: guest for name, guest in present.items() if GUEST_NAME.fullmatch(name)}
    warnings = (
        *chain.from_iterable(its.warnings for its in notes.values()),
        *worries(judged, cluster.nodes),
        *advice(judged, cluster),
        *networks.worries(judged, cluster),
    )
    return Reading(found, tuple(problems), warnings)


class _Sections:
    """The mappings that a guest can be, in one cluster."""

    def __init__(self, cluster: Cluster, groups: Mapping[str, Firewall]) -> None:
        make, check = partial(_made, cluster, groups), CHECKS[""]
        self._present = {kind: Section(children(""), make, kind, cluster, check) for kind in _KINDS}
        self._absent = Section(STATE_KEYS, Guest, "vm", cluster)
        self._known = {key.name for key in children("")}

    def read(self, raw: Mapping[Any, Any], place: Place) -> Guest:
        guest: Guest
        if raw.get("state") == "absent":
            for name in raw:
                if name not in self._known:
                    place.note(step(name), unknown(name, self._known))
            # What else is said of it stays as it is, for the day it comes back.
            asked = {key.name: raw[key.name] for key in STATE_KEYS if key.name in raw}
            guest = self._absent.read(asked, place, name=place.guest)
        else:
            told = raw.get("kind", "container" if "rootfs" in raw else "vm")
            kind: Kind = "container" if told == "container" else "vm"
            guest = self._present[kind].read(raw, place, name=place.guest, kind=kind)
        return guest


def _made(
    cluster: Cluster,
    groups: Mapping[str, Firewall],
    *,
    ssh_keys: tuple[str, ...],
    firewall: Firewall,
    disks: tuple[Disk, ...] = (),
    **values: Any,
) -> Guest:
    return Guest(
        firewall=joined(firewall, [groups[name] for name in firewall.groups if name in groups]),
        ssh_keys=tuple(dict.fromkeys([*cluster.ssh_keys, *ssh_keys])),
        disks=disks,
        seed_pool=disks[0].pool if disks else cluster.default_pool,
        **values,
    )


def _defaults(cluster: Cluster) -> Iterator[parse.Problem]:
    """What is wrong with what all guests have."""
    for variable, values, kind in (
        ("guests_ssh_keys", cluster.ssh_keys, SSH_KEY),
        ("guests_nameservers", cluster.nameservers, NAMESERVER),
    ):
        for index, value in enumerate(values):
            try:
                kind.bind(cluster)(value)
            except ValueError as error:
                yield parse.Problem(f"{variable}[{index}]", str(error))
