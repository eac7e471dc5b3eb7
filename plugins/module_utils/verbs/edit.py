# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest changed without its YAML at hand: one that no YAML declares, for good; one that is declared, as a proposal.

Its YAML is made out from what the cluster knows (declaration/reconstruction.py), changed, and judged among the other
guests by what judges guests.yml. What comes of it is one patch, foretold and carried out as guests.yml does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster.capacity import capacity
from ..cluster.cib import Configuration, read
from ..cluster.guest_specs import specified, wishes
from ..cluster.guests import GuestSpec, guest_of
from ..cluster.pacemaker import Pacemaker
from ..core.errors import DroverError, InvalidValue
from ..core.parse import Unfit
from ..core.quantities import MIB
from ..declaration.declaration import Declaration
from ..declaration.definitions import definition
from ..declaration.keys import children
from ..declaration.reconstruction import boot_image, declared, surroundings
from ..declaration.types import Guest
from ..guest.definition import Definition, alike
from ..guest.definition import read as read_definition
from ..hypervisor.domain_xml import difference, render
from .declare import Declare

__all__ = [
    "EDITABLE",
    "Edited",
    "declaration_of",
    "edit",
    "edited",
    "neighbours",
    "release",
    "rooms",
    "spec_of",
    "wishes_of",
]

#: What is changed here. The rest is on disks that a play makes, or makes another guest of it.
EDITABLE = (
    "description",
    "vcpus",
    "max_vcpus",
    "memory",
    "max_memory",
    "cpu",
    "screen",
    "on_poweroff",
    "stop_timeout",
    "firewall",
    "devices",
    "mounts",
    "ha",
    "placement",
    "migration",
)
_TIMEOUT = 300


@dataclass(frozen=True)
class Edited:
    """A guest as it would be: ``spec`` for the cluster, and what differs, a sentence each."""

    spec: GuestSpec
    differs: tuple[str, ...]


def declaration_of(live: Configuration, guest: str) -> dict[str, Any]:
    """A guest's YAML, made out from what the cluster knows. Raises InvalidValue where that is too little."""
    return declared(_known(live, guest), wishes(guest, live))


def edit(cluster: Pacemaker, guest: str, changes: Mapping[str, Any], *, check: bool, proposed: bool = False) -> Any:
    """Change a guest. A result as module guests', with what ``differs``; ``proposed`` says that somebody else will
    carry it out. Raises DroverError for what is refused."""
    live = read(cluster.query())
    _refuse_of_declared(live, guest, proposed=proposed)
    made = edited(live, guest, changes)
    return _declare(cluster, made.spec, made.differs, check=check)


def release(cluster: Pacemaker, guest: str, *, check: bool) -> Any:
    """Have a guest be none of a YAML's from now on, so that it is edited in the console. To do it once more, when the
    first time was interrupted, changes nothing."""
    live = read(cluster.query())
    known, told = _known(live, guest), wishes(guest, live)
    if known.get("declared") is False and check:
        raise DroverError(f"{guest} is not declared as it is", remedy="Edit it.")
    said = f"{guest} is edited in the console from now on; guests.yml takes it back, should its YAML still be there"
    return _declare(cluster, spec_of({**known, "declared": False}, told), (said,), check=check)


def edited(live: Configuration, guest: str, changes: Mapping[str, Any]) -> Edited:
    """A guest of the cluster with some keys of its YAML changed. Raises InvalidValue with all that is wrong."""
    _refuse_keys(changes)
    known, told = _known(live, guest), wishes(guest, live)
    guests = neighbours(live)
    own = declared(known, told)
    around = surroundings({**{name: its for name, (its, _told) in guests.items()}, guest: known}, rooms(live))
    others = {name: declared(*its) for name, its in guests.items() if name != guest}
    before = Declaration.read({**others, guest: own}, around)
    if not alike(_made(before, guest, known), {key: its for key, its in known.items() if key != "declared"}):
        raise InvalidValue(
            f"the definition of {guest} says what cannot be edited here",
            remedy="Declare it in YAML and run guests.yml.",
        )
    wish = merged(own, changes)
    after = Declaration.read({**others, guest: wish}, around)
    wrong = [problem for problem in after.reading.problems if problem not in before.reading.problems]
    if wrong:
        raise Unfit(wrong)
    wanted = {**_made(after, guest, known), **({"declared": False} if known.get("declared") is False else {})}
    new = after.reading.guests[guest]
    spec = spec_of(wanted, {**told, **wishes_of(new)})
    return Edited(spec, tuple(_differences(own, wish, known, wanted, new)))


def merged(own: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A guest's YAML with some values changed: None takes a key out, and mappings are gone into."""
    found = dict(own)
    for key, value in changes.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return found


def _declare(cluster: Pacemaker, spec: GuestSpec, differs: tuple[str, ...], *, check: bool) -> dict[str, Any]:
    run = Declare(cluster, [spec], restart_needed=frozenset(), may_restart=False, removed={}, timeout=_TIMEOUT)
    result = run.run(check)
    return {**result, "differs": list(differs), "notes": [*differs, *result["doubts"]]}


def _known(live: Configuration, guest: str) -> dict[str, Any]:
    if guest not in live.guests():
        raise InvalidValue(f"there is no guest {guest}")
    reading = read_definition(guest_of(live.primitives[guest]) or {})
    if reading.problems or reading.unknown:
        raise InvalidValue(
            f"the definition of {guest} is not understood: {', '.join((*reading.problems, *reading.unknown))}",
            remedy="Run guests.yml with its YAML.",
        )
    return reading.definition


def _of_other(live: Configuration, guest: str) -> tuple[Definition, dict[str, Any]] | None:
    """What is known of another guest; None of one of which too little is."""
    try:
        return _known(live, guest), wishes(guest, live)
    except ValueError:
        return None


def _refuse_keys(changes: Mapping[str, Any]) -> None:
    known = {key.name for key in children("")}
    for key in changes:
        if key in known and key not in EDITABLE:
            raise InvalidValue(f"{key} is not changed here", remedy="Change it in the YAML, and run guests.yml.")


def _refuse_of_declared(live: Configuration, guest: str, *, proposed: bool) -> None:
    if not proposed and _known(live, guest).get("declared") is not False:
        raise DroverError(
            f"{guest} is declared: its YAML is its truth, and a change made here would be gone with the next run",
            remedy="Propose the change, and commit what comes of it; or release the guest first.",
        )


def neighbours(live: Configuration) -> dict[str, tuple[Definition, dict[str, Any]]]:
    """The definition and the wishes of each guest of the cluster of which enough is known."""
    return {name: its for name in live.guests() if (its := _of_other(live, name)) is not None}


def rooms(live: Configuration) -> dict[str, dict[str, Any]]:
    """What each node has for guests, as declarations are judged against it."""
    return {
        name: {"memory": room.get("memory", 0) * MIB, "vcpus": room.get("vcpus", 0)}
        for name, room in capacity(live).items()
        if room
    }


def _made(declaration: Declaration, name: str, known: Definition) -> dict[str, Any]:
    """The definition of a guest as declared, with what a change does not touch as it was."""
    guest = declaration.reading.guests[name]
    kernels = {boot_image(name): known["kernel"]} if known.get("kernel") else {}
    return definition(guest, declaration.pools, kernels, known.get("idmap"))


def wishes_of(guest: Guest) -> dict[str, Any]:
    """What is wanted of a guest beside its definition, in the words of cluster/guest_specs.wishes."""
    return {"ha": None if guest.ha is None else {**vars(guest.ha)}, **vars(guest.placement)}


def spec_of(its: Definition, told: Mapping[str, Any]) -> GuestSpec:
    """What the cluster is told of a guest, from its definition and its wishes."""
    resource = {"name": its["name"], "definition": its, "home": None, **told}
    return specified(resource, told["monitor_interval"])


def _differences(
    own: Mapping[str, Any], wish: Mapping[str, Any], before: Definition, after: Definition, guest: Guest
) -> list[str]:
    """What differs, and which of it waits for a restart of the guest."""
    if guest.kind == "vm":
        waiting = {change.path for change in difference(render(before, "kvm"), after) if change.how == "restart"}
    else:
        waiting = {key.name for key in children("") if guest.kind in key.kinds and key.how(guest.kind) == "restart"}
    found = []
    for key in EDITABLE:
        old, new = own.get(key), wish.get(key)
        if old != new:
            when = ", once it is restarted" if key in waiting else ""
            found.append(f"{key}: {_shown(old)} becomes {_shown(new)}{when}")
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "what is usual"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(its)}" for key, its in value.items()) or "what is usual"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
