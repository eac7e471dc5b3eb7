# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether guests can be placed as wished: what can never be, and what will give way when it has to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .units import format_size

if TYPE_CHECKING:
    from .model import Guest

__all__ = ["Node", "impossibilities", "worries"]


@dataclass(frozen=True)
class Node:
    """What a node has to give; None where it could not be asked."""

    memory: int | None = None
    vcpus: int | None = None


def impossibilities(guests: Mapping[str, Guest], nodes: Mapping[str, Node]) -> Iterator[tuple[str, str, str]]:
    """What forbids going on, as (guest, path within it, message)."""
    for name, guest in guests.items():
        yield from ((name, f"placement.{at}", text) for at, text in _wishes(guest, guests, nodes))
        yield from ((name, at, text) for at, text in _too_large(guest, nodes))
    group = _groups(guests)
    for name, guest in guests.items():
        for other in guest.placement.apart_from:
            if other != name and other in guests and group[other] == group[name]:
                yield name, "placement.apart_from", f"{other} is also wanted together with it"


def worries(guests: Mapping[str, Guest], nodes: Mapping[str, Node]) -> Iterator[str]:
    """What is possible, but not what the user may think."""
    apart = _apart(guests)
    for name in apart:
        clique = _clique(name, apart)
        if len(clique) > len(nodes) and name == min(clique):
            yield (
                f"{', '.join(sorted(clique))} are all to be apart from one another, but there are only "
                f"{len(nodes)} nodes: some will share one"
            )
    memories = [node.memory for node in nodes.values() if node.memory is not None]
    if len(memories) != len(nodes) or len(nodes) < 2:
        return
    wanted = sum(guest.memory for guest in guests.values())
    survivors = sum(memories) - max(memories)
    if wanted > survivors:
        yield (
            f"the guests want {format_size(wanted)} of memory, but only {format_size(survivors)} are left "
            "when the largest node is lost: not all of them will run then"
        )


def _wishes(guest: Guest, guests: Collection[str], nodes: Collection[str]) -> Iterator[tuple[str, str]]:
    for node in guest.placement.prefer:
        if node not in nodes:
            yield "prefer", f"{node!r} is not a node: there are {', '.join(sorted(nodes))}"
    for key in ("apart_from", "together_with"):
        for other in getattr(guest.placement, key):
            if other == guest.name:
                yield key, "names the guest itself"
            elif other not in guests:
                yield key, f"{other!r} is not a guest declared present"


def _too_large(guest: Guest, nodes: Mapping[str, Node]) -> Iterator[tuple[str, str]]:
    for key, form in (("memory", format_size), ("vcpus", str)):
        wanted = getattr(guest, key)
        sizes = {name: getattr(node, key) for name, node in nodes.items()}
        if not sizes or None in sizes.values():
            continue
        largest = max(sizes, key=lambda name: (sizes[name], name))
        if wanted > sizes[largest]:
            most = f"the largest, {largest}, has {form(sizes[largest])}"
            yield key, f"{form(wanted)} is more than any node can give: {most}"


def _groups(guests: Mapping[str, Guest]) -> dict[str, str]:
    """For every guest the name of its group: guests wanted together, directly or through others."""
    group = {name: name for name in guests}
    for name, guest in guests.items():
        for other in guest.placement.together_with:
            if other in group and group[other] != group[name]:
                old, new = group[other], group[name]
                group = {member: new if its == old else its for member, its in group.items()}
    return group


def _apart(guests: Mapping[str, Guest]) -> dict[str, set[str]]:
    """For every guest those it is to be apart from, whoever of the two said so."""
    apart: dict[str, set[str]] = {name: set() for name in guests}
    for name, guest in guests.items():
        for other in guest.placement.apart_from:
            if other in apart and other != name:
                apart[name].add(other)
                apart[other].add(name)
    return apart


def _clique(name: str, apart: Mapping[str, set[str]]) -> set[str]:
    """A set of guests all apart from one another, grown greedily from ``name``."""
    clique = {name}
    for other in sorted(apart[name]):
        if clique <= apart[other]:
            clique.add(other)
    return clique
