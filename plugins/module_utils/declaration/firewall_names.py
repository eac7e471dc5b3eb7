# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What firewalls of guests have in common: sets of networks and groups of rules, by name, as the YAML has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core import parse
from ..core.quoting import quoted, step
from .firewall import network
from .keys import children
from .sections import Notes, Place, Section
from .types import Cluster, Firewall

__all__ = ["named"]

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_SETS, _GROUPS = "guests_firewall_sets", "guests_firewall_groups"


def named(cluster: Cluster) -> tuple[Cluster, Mapping[str, Firewall], Sequence[parse.Problem]]:
    """The cluster with the networks of its sets as they are written everywhere, the groups, and what is wrong."""
    notes = Notes()
    sets: dict[str, tuple[str, ...]] = {}
    for name, entries in _entries(cluster.firewall_sets, _SETS, notes):
        place = Place(f"{_SETS}.{step(name)}", "", notes)
        found = []
        for index, entry in enumerate(_list(entries, place)):
            try:
                found.append(network(entry))
            except ValueError as error:
                place.below(f"[{index}]").note("", str(error))
        sets[name] = tuple(found)
    cluster = replace(cluster, firewall_sets=sets)
    keys = [key for key in children("firewall") if key.name != "groups"]
    section = Section(keys, Firewall, "vm", cluster)
    groups: dict[str, Firewall] = {}
    for name, entry in _entries(cluster.firewall_groups, _GROUPS, notes):
        place = Place(f"{_GROUPS}.{step(name)}", "", notes)
        if isinstance(entry, Mapping):
            groups[name] = section.read(entry, place)
        else:
            place.note("", "is not a mapping with in and out, lists of rules")
    return replace(cluster, firewall_groups=groups), groups, (*notes.problems,)


def _entries(value: object, path: str, notes: Notes) -> list[tuple[str, Any]]:
    place = Place(path, "", notes)
    if not isinstance(value, Mapping):
        place.note("", "is not a mapping from names")
        return []
    for name in value:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            place.note("", f"{quoted(name)} is no name: lower-case letters, digits, - and _, a letter first")
    return [(str(name), entry) for name, entry in value.items()]


def _list(value: object, place: Place) -> Sequence[Any]:
    try:
        return parse.sequence(value)
    except ValueError as error:
        place.note("", str(error))
        return ()
