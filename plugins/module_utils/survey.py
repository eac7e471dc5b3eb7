# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking all nodes what decides about moves: two questions to each, all nodes at the same time.

The first is what a node is and what its VMs take along; the second what it makes of the others' VMs and of the way
to the others. A node that does not answer costs as long as a connection may take, and is not asked a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .definition import Definition
from .node_facts import side_by_side
from .peer import PeerError, ask

__all__ = ["Going", "NodeView", "survey", "volumes"]

#: Seconds for an answer, once connected. The second question has the nodes try the way to each other, which takes time
#: when it is cut.
_FACTS_PATIENCE, _SUITS_PATIENCE = 10.0, 12.0

Ask = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Going:
    """A guest and where it might go."""

    name: str
    definition: Definition
    source: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class NodeView:
    """What a node said: ``facts`` and ``suits`` as in node_facts.py, or the ``error`` for which it said nothing.

    Its clock is ``ahead`` of the asker's by so many seconds, give or take ``blur``.
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    suits: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    ahead: float = 0.0
    blur: float = 0.0


def survey(guests: Collection[Going], measure: Collection[str] = (), ask: Ask = ask) -> dict[str, NodeView]:
    """What the nodes at both ends of these moves say, by name. ``measure`` are the VMs whose use of memory is wanted,
    which takes a second."""
    names = sorted({node for guest in guests for node in (guest.source, *guest.targets)})
    wanted = sorted(guest.name for guest in guests)
    first = side_by_side(lambda name: _first(name, wanted, ask), names)

    def second(name: str) -> NodeView:
        view = first[name]
        if view.error:
            return view
        try:
            suits = ask(name, _question(name, guests, first, measure), _SUITS_PATIENCE)
        except PeerError as error:
            return NodeView(name, error=str(error))
        return replace(view, suits=suits)

    return side_by_side(second, names)


def volumes(definition: Definition) -> Iterator[tuple[str, bool]]:
    """The paths of a guest's disks and root file system, and whether each is on storage of its node alone."""
    if definition.get("rootfs"):
        yield definition["rootfs"]["path"], _local(definition["rootfs"])
    for disk in definition.get("disks") or ():
        if disk["source"].get("path"):
            yield disk["source"]["path"], _local(disk["source"])


def _local(source: Mapping[str, Any]) -> bool:
    return source.get("shared") is False


def _first(name: str, guests: list[str], ask: Ask) -> NodeView:
    before, start = time.time(), time.monotonic()
    try:
        facts = ask(name, {"do": "facts", "guests": guests}, _FACTS_PATIENCE)
    except PeerError as error:
        return NodeView(name, error=str(error))
    took = time.monotonic() - start
    return NodeView(name, facts, ahead=facts["time"] - (before + took / 2), blur=took / 2)


def _question(
    name: str, guests: Collection[Going], first: Mapping[str, NodeView], measure: Collection[str]
) -> dict[str, Any]:
    leaving = [guest for guest in guests if guest.source == name]
    coming = [guest for guest in guests if name in guest.targets and guest.source != name]
    digests = {
        guest.name: digest
        for guest in (*leaving, *coming)
        if (digest := first[guest.source].facts.get("libvirt", {}).get("guests", {}).get(guest.name))
    }
    paths = {path for guest in (*leaving, *coming) for path, _local in volumes(guest.definition)}
    paths |= {path for digest in digests.values() for path in (*digest["files"], *digest["media"].values())}
    answering = {other for other, view in first.items() if not view.error}
    return {
        "do": "suits",
        "vms": {guest.name: digests[guest.name] for guest in coming if guest.name in digests},
        "paths": sorted(paths),
        "count": [path for guest in leaving for path, local in volumes(guest.definition) if local],
        "reach": sorted({target for guest in leaving for target in guest.targets} & answering - {name}),
        "measure": [guest.name for guest in leaving if guest.name in measure and guest.name in digests],
    }
