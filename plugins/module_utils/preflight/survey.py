# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking all nodes what decides about moves: two questions to each, all nodes at the same time.

The first is what a node is and what its VMs take along; the second what it makes of the others' VMs and of the way
to the others. Where there are many guests, each is asked in lots. A node that does not answer costs as long as a
connection may take, and is not asked a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.parallel import side_by_side
from ..guest.definition import Definition
from ..peer.channel import PeerError, ask
from ..peer.facts import PLATFORM

__all__ = ["Going", "NodeView", "of_the_node", "survey", "volumes"]

#: Seconds for an answer, once connected. The second question has the nodes try the way to each other, which takes time
#: when it is cut.
_FACTS_PATIENCE, _SUITS_PATIENCE = 10.0, 12.0
#: Guests that one question is about: what libvirt tells of a VM is some 5 kB, and an answer is one line.
_LOT = 100

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
    """What a node said: ``facts`` and ``suits`` as in peer/facts.py, or the ``error`` for which it said nothing.

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
    first = side_by_side(lambda name: _first(name, guests, ask), names)

    def second(name: str) -> NodeView:
        view = first[name]
        return view if view.error else _second(view, guests, first, measure, ask)

    return side_by_side(second, names)


def volumes(definition: Definition) -> Iterator[tuple[str, bool]]:
    """The paths of a guest's disks and root file system, and whether each is on storage of its node alone."""
    if definition.get("rootfs"):
        yield definition["rootfs"]["path"], _local(definition["rootfs"])
    for disk in definition.get("disks") or ():
        # An image in Ceph is the same from every node.
        if str(disk["source"].get("path") or "").startswith("/"):
            yield disk["source"]["path"], _local(disk["source"])


def of_the_node(definition: Definition) -> dict[str, str]:
    """What a container has of its node, by path, and whether that is a ``device`` or a ``mount``."""
    devices = dict.fromkeys(map(str, definition.get("devices") or ()), "device")
    return devices | {str(mount["source"]): "mount" for mount in definition.get("mounts") or ()}


def _local(source: Mapping[str, Any]) -> bool:
    return source.get("shared") is False


def _lots(guests: Sequence[Going]) -> Iterator[Sequence[Going]]:
    """As many guests as one question is about; at least one lot, for what is asked of the node itself."""
    for start in range(0, max(1, len(guests)), _LOT):
        yield guests[start : start + _LOT]


def _first(name: str, guests: Collection[Going], ask: Ask) -> NodeView:
    view: NodeView | None = None
    for lot in _lots([guest for guest in guests if guest.source == name]):
        before, start = time.time(), time.monotonic()
        try:
            facts = ask(name, {"do": "facts", "guests": sorted(guest.name for guest in lot)}, _FACTS_PATIENCE)
        except PeerError as error:
            return NodeView(name, error=str(error))
        took = time.monotonic() - start
        if view is None:
            view = NodeView(name, facts, ahead=facts["time"] - (before + took / 2), blur=took / 2)
        else:
            libvirt = _joined(view.facts["libvirt"], facts["libvirt"])
            view = replace(view, facts={**view.facts, "libvirt": libvirt})
    assert view is not None
    return view


def _second(
    view: NodeView, guests: Collection[Going], first: Mapping[str, NodeView], measure: Collection[str], ask: Ask
) -> NodeView:
    name = view.name
    answering = {other for other, its in first.items() if not its.error}
    reach = {target for guest in guests if guest.source == name for target in guest.targets} & answering - {name}
    suits: Mapping[str, Any] = {}
    for lot in _lots([guest for guest in guests if name in (guest.source, *guest.targets)]):
        request, platforms = _question(name, lot, first, measure)
        try:
            # The way to the others is the same for all guests.
            told = ask(name, {**request, "reach": [] if suits else sorted(reach)}, _SUITS_PATIENCE)
        except PeerError as error:
            return NodeView(name, error=str(error))
        suits = _joined(suits, {**told, "vms": _by_guest(told["platforms"], platforms)})
    return replace(view, suits=suits)


def _question(
    name: str, guests: Collection[Going], first: Mapping[str, NodeView], measure: Collection[str]
) -> tuple[dict[str, Any], dict[str, int]]:
    """What a node is asked about these guests, and which of the platforms in it are those of VMs that may come.

    Most VMs have the same few platforms, and what a node makes of one of them holds for all VMs that have it.
    """
    leaving = [guest for guest in guests if guest.source == name]
    coming = [guest for guest in guests if name in guest.targets and guest.source != name]
    digests = {
        guest.name: digest
        for guest in (*leaving, *coming)
        if (digest := first[guest.source].facts.get("libvirt", {}).get("guests", {}).get(guest.name))
    }
    paths = {path for guest in (*leaving, *coming) for path, _local in volumes(guest.definition)}
    paths |= {path for guest in coming for path in of_the_node(guest.definition)}
    paths |= {path for digest in digests.values() for path in (*digest["files"], *digest["media"].values())}
    has = {
        guest.name: tuple(digests[guest.name][part] for part in PLATFORM) for guest in coming if guest.name in digests
    }
    numbers = {platform: number for number, platform in enumerate(dict.fromkeys(has.values()))}
    request = {
        "do": "suits",
        "platforms": [dict(zip(PLATFORM, platform, strict=True)) for platform in numbers],
        "paths": sorted(paths),
        "count": [path for guest in leaving for path, local in volumes(guest.definition) if local],
        "measure": [guest.name for guest in leaving if guest.name in measure and guest.name in digests],
    }
    return request, {guest: numbers[platform] for guest, platform in has.items()}


def _by_guest(answer: Mapping[str, Any], platforms: Mapping[str, int]) -> dict[str, Any]:
    if "error" in answer:
        return {"error": answer["error"]}
    return {"takes": {guest: answer["takes"][number] for guest, number in platforms.items()}}


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two answers of a node as one. What they both have is the same, or itself joined from both."""
    both = {key: _joined(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(other[key], Mapping)}
    return {**other, **one, **both}
