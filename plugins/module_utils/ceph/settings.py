# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Ceph cluster as a whole is to be: keys with their capabilities, flags, pools, file systems; and the steps to
it.

:func:`plan` is pure. What is not Drover's in the cluster is left alone; a pool or file system that is no longer
declared is too, for its data may be wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .commands import Ceph
from .keys import keyring, new_key

__all__ = ["Seen", "Step", "Wanted", "carry_out", "look", "plan"]

#: Placement groups of a pool at first, which the autoscaler changes, and of what is small for ever.
_GROUPS, _SMALL = 32, 16
#: Pool options by what is in the pool.
_COPIES = {"size": 3, "min_size": 2}


@dataclass(frozen=True)
class Wanted:
    """What is declared: capabilities by entity, keys that are settled already by entity, pools for disks, file
    systems."""

    caps: Mapping[str, Mapping[str, str]]
    keys: Mapping[str, str]
    rbd: Sequence[str] = ()
    cephfs: Sequence[str] = ()


@dataclass(frozen=True)
class Seen:
    """What the cluster has: entities as ``auth ls`` lists them, pools by name, names of file systems."""

    entities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    filesystems: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One change, in words, and the orders it takes. ``ring`` is a keyring that goes to the standard input of the
    first."""

    text: str
    orders: tuple[tuple[str, ...], ...]
    ring: str = ""


def plan(wanted: Wanted, seen: Seen) -> list[Step]:
    """The steps from what the cluster has to what is wanted."""
    steps = []
    for entity, caps in wanted.caps.items():
        found = seen.entities.get(entity)
        settled = wanted.keys.get(entity)
        # A daemon's key is made here; of Drover's clients nodes hold it.
        key = settled or (found or {}).get("key") or new_key()
        if found is None or dict(found["caps"]) != dict(caps) or found["key"] != key:
            text = f"{'let in' if found is None else 'change what is allowed to'} {entity}"
            steps.append(Step(text, (("auth", "import", "-i", "-"),), keyring({entity: (key, caps)})))
    for pool in wanted.rbd:
        steps += _pool(pool, "rbd", _GROUPS, seen)
    for name in wanted.cephfs:
        steps += _pool(f"{name}.meta", "cephfs", _SMALL, seen)
        steps += _pool(f"{name}.data", "cephfs", _GROUPS, seen)
        if name not in seen.filesystems:
            make = ("fs", "new", name, f"{name}.meta", f"{name}.data")
            steps.append(Step(f"make file system {name}", (make, _standby(name))))
        elif seen.filesystems[name]["standby_wanted"] != 1:
            steps.append(Step(f"want a standby for {name}", (_standby(name),)))
    return steps


def _pool(name: str, application: str, groups: int, seen: Seen) -> list[Step]:
    found = seen.pools.get(name)
    if found is None:
        make = (
            ("osd", "pool", "create", name, str(groups)),
            *(_set(name, key, value) for key, value in _COPIES.items()),
        )
        return [Step(f"make pool {name}", (*make, ("osd", "pool", "application", "enable", name, application)))]
    orders = [_set(name, key, value) for key, value in _COPIES.items() if found[key] != value]
    if application not in found["applications"]:
        orders.append(("osd", "pool", "application", "enable", name, application))
    return [Step(f"set pool {name} right", tuple(orders))] if orders else []


def _standby(name: str) -> tuple[str, ...]:
    """Has Ceph complain when no metadata server is left to take over."""
    return ("fs", "set", name, "standby_count_wanted", "1")


def _set(pool: str, key: str, value: int) -> tuple[str, ...]:
    return ("osd", "pool", "set", pool, key, str(value))


def look(ceph: Ceph) -> Seen:
    """What the cluster has. Raises CephError."""
    pools = ceph.ask("osd", "pool", "ls", "detail")
    systems = ceph.ask("fs", "dump")["filesystems"]
    return Seen(
        {entry["entity"]: entry for entry in ceph.ask("auth", "ls")["auth_dump"]},
        {pool["pool_name"]: {**pool, "applications": list(pool.get("application_metadata") or ())} for pool in pools},
        {
            system["mdsmap"]["fs_name"]: {"standby_wanted": system["mdsmap"].get("standby_count_wanted", 1)}
            for system in systems
        },
    )


def carry_out(ceph: Ceph, step: Step) -> None:
    """Take one step. Raises CephError."""
    for number, order in enumerate(step.orders):
        ceph.tell(*order, stdin="" if number else step.ring)
