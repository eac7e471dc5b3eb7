# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether guests can be placed as wished: what can never be, and what will give way when it has to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ..core.quantities import format_size
from .types import Guest, Node

__all__ = ["impossibilities", "worries"]

#: What a node has to give, each with its form for people.
_FORMS: Mapping[str, Callable[[int], str]] = {"memory": format_size, "vcpus": str}


def impossibilities(guests: Mapping[str, Guest], nodes: Mapping[str, Node]) -> Iterator[tuple[str, str, str]]:
    """What forbids going on, as (guest, path within it, message)."""
    largest = {key: _largest(key, nodes) for key in _FORMS}
    for name, guest in guests.items():
        yield from ((name, f"placement.{at}", text) for at, text in _wishes(guest, guests, nodes))
        yield from ((name, at, text) for at, text in _too_large(guest, largest))
    group = _groups(guests)
    for name, guest in guests.items():
        for other in guest.placement.apart_from:
            if other != name and other in guests and group[other] == group[name]:
                yield name, "placement.apart_from", f"{other} is also wanted together with it"


def worries(guests: Mapping[str, Guest], nodes: Mapping[str, Node]) -> Iterator[str]:
    """What is possible, but not what the user may think."""
    trusted = sorted(name for name, guest in guests.items() if guest.privileged)
    if trusted:
        yield f"whoever is root in {', '.join(trusted)} (privileged) is root on its node, and so in the whole cluster"
    apart = _apart(guests)
    # A clique has its least neighbour in it: to be told once, it is grown from the least of all.
    for name in (name for name, others in apart.items() if others and name < min(others)):
        clique = _clique(name, apart)
        if len(clique) > len(nodes):
            yield (
                f"{', '.join(sorted(clique))} are all to be apart from one another, but there are only "
                f"{len(nodes)} nodes: some will share one"
            )
    yield from _crowded(guests, nodes)
    memories = [node.memory for node in nodes.values() if node.memory is not None]
    if len(memories) != len(nodes) or len(nodes) < 2:
        return
    wanted = sum(guest.promised_memory for guest in guests.values())
    survivors = sum(memories) - max(memories)
    if wanted > survivors:
        yield (
            f"the guests may use {format_size(wanted)} of memory, but only {format_size(survivors)} are left "
            "when the largest node is lost: not all of them will run then"
        )


def _crowded(guests: Mapping[str, Guest], nodes: Mapping[str, Node]) -> Iterator[str]:
    """Groups of guests wanted together that no node has room for, or that are bound to different nodes."""
    members: dict[str, list[str]] = {}
    for name, leader in _groups(guests).items():
        members.setdefault(leader, []).append(name)
    largest = _largest("memory", nodes)
    for names in (sorted(names) for names in members.values() if len(names) > 1):
        together = ", ".join(names)
        wanted = sum(guests[name].memory for name in names)
        if largest is not None and wanted > largest[0]:
            yield (
                f"{together} are wanted together and take {format_size(wanted)} of memory, but the largest node, "
                f"{largest[1]}, has {format_size(largest[0])}: some will run elsewhere"
            )
        bound = {name: guests[name].placement.prefer[:1] for name in names if not guests[name].ha}
        if len({prefer for prefer in bound.values() if prefer}) > 1:
            yield (
                f"{together} are wanted together, but {', '.join(bound)} stay on the nodes that each prefers, as they "
                "have no high availability"
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


def _largest(key: str, nodes: Mapping[str, Node]) -> tuple[int, str] | None:
    """The most of it that any node has, and which node; None when not all are known, any of those may have more."""
    sizes = [(getattr(node, key), name) for name, node in nodes.items()]
    return max(sizes) if sizes and all(size is not None for size, _name in sizes) else None


def _too_large(guest: Guest, largest: Mapping[str, tuple[int, str] | None]) -> Iterator[tuple[str, str]]:
    for key, form in _FORMS.items():
        now, ever, most = getattr(guest, key), getattr(guest, f"max_{key}"), largest[key]
        wanted = max(now, ever)
        if most is not None and wanted > most[0]:
            at = key if now > most[0] else f"max_{key}"
            yield at, f"{form(wanted)} is more than any node can give: the largest, {most[1]}, has {form(most[0])}"


def _groups(guests: Mapping[str, Guest]) -> dict[str, str]:
    """For every guest the name of its group: guests wanted together, directly or through others."""
    leader = {name: name for name in guests}

    def group(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for name, guest in guests.items():
        for other in guest.placement.together_with:
            if other in leader:
                leader[group(other)] = group(name)
    return {name: group(name) for name in guests}


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
