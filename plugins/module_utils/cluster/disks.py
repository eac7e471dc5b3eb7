# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster is told while a VM's disks go to another pool: that they do, where each is by now, and the end.

The record is a meta attribute of the guest, so whichever node the guest comes to, and whoever was killed on the way,
the next run knows which volumes are of an unfinished move. The guest's definition names the volume that holds its data,
at every moment. A guest that does not run is kept from starting for as long as its disks are copied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.errors import InvalidValue
from ..guest.definition import compact, is_local
from .cib import Configuration
from .guests import data_id, guest_of
from .objects import DISKS_MOVE, PREFIX, Location, Pin, Primitive, Wanted

__all__ = ["Record", "begun", "ended", "given_up", "hold_id", "record_of", "told", "under_way"]

#: By a disk's target where it comes ``from`` and goes ``to``, both as sources of a definition.
Record = Mapping[str, Mapping[str, Mapping[str, Any]]]


def hold_id(guest: str) -> str:
    """The constraint that keeps a guest down while its disks are copied."""
    return f"{PREFIX}disks-{guest}"


def record_of(guest: Primitive) -> dict[str, dict[str, dict[str, Any]]]:
    """The moves of a guest's disks that were begun and not finished; none where the record is not to be read."""
    try:
        found = json.loads(guest.meta.get(DISKS_MOVE, "{}"))
        return {
            str(target): {end: dict(way[end]) for end in ("from", "to")} for target, way in found.items() if way["to"]
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def under_way(guest: Primitive) -> list[str]:
    """The disks with a guest's data, by target, that are being copied: the cluster has them where they come from."""
    record = record_of(guest)
    known = (guest_of(guest) or {}).get("disks") or () if record else ()
    return [
        str(disk["target"])
        for disk in known
        if not disk.get("readonly")
        and disk["target"] in record
        and disk["source"]["path"] == record[disk["target"]]["from"].get("path")
    ]


def begun(live: Configuration, guest: str, record: Record, *, down: bool) -> Wanted:
    """Says that disks are on their way; one that is ``down`` stays so meanwhile."""
    held = (Pin(hold_id(guest), guest, None),) if down else ()
    return Wanted(constraints=held, meta={guest: {DISKS_MOVE: _written({**record_of(_the(live, guest)), **record})}})


def told(live: Configuration, guest: str, target: str, source: Mapping[str, Any], node: str) -> Wanted:
    """Says where a disk is from now on. ``node`` has what is on storage of a node's own."""
    primitive = _the(live, guest)
    definition = guest_of(primitive) or {}
    disks = [{**disk, "source": dict(source)} if disk["target"] == target else disk for disk in definition["disks"]]
    changed = {**definition, "disks": disks}
    wanted = replace(primitive, params={**primitive.params, "definition": compact(changed)})
    place = data_id(guest)
    if not is_local(changed):
        return Wanted((wanted,), absent=frozenset({place}))
    return Wanted((wanted,), () if place in live.constraints else (Location(place, guest, node, "20000"),))


def ended(live: Configuration, guest: str, *targets: str) -> Wanted:
    """Says that nothing is left to be done for these disks; with the last one the guest may start again."""
    left = {name: way for name, way in record_of(_the(live, guest)).items() if name not in targets}
    held = frozenset() if left else frozenset({hold_id(guest)})
    return Wanted(meta={guest: {DISKS_MOVE: _written(left) if left else None}}, absent=held)


def given_up(live: Configuration, guest: str) -> Wanted:
    """Says that the disks which have not arrived stay where they are."""
    primitive = _the(live, guest)
    here = {disk["target"]: disk["source"]["path"] for disk in (guest_of(primitive) or {}).get("disks") or ()}
    record = record_of(primitive)
    return ended(live, guest, *(name for name, way in record.items() if here.get(name) != way["to"].get("path")))


def _the(live: Configuration, guest: str) -> Primitive:
    found = live.guests().get(guest)
    if found is None:
        raise InvalidValue(f"there is no guest {guest} in this cluster any more")
    return found


def _written(record: Record) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))
