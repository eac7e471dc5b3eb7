# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pool promises its guests, against what it has: disks take room only as they are written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..core.quantities import rough_size
from ..storage.volumes import Pool
from .types import Guest

__all__ = ["Promise", "promises"]


class Promise(NamedTuple):
    """What guests may come to store in a pool, on one ``node`` if it is each node's own, and what it has, in bytes."""

    pool: str
    node: str
    promised: int
    has: int

    def __str__(self) -> str:
        where = f"{self.pool} on {self.node}" if self.node else self.pool
        return (
            f"the guests in pool {where} may come to store {rough_size(self.promised)}, "
            f"and it has {rough_size(self.has)}"
        )


def promises(
    guests: Iterable[Guest],
    homes: Mapping[str, str],
    pools: Mapping[str, Pool],
    rooms: Mapping[str, Mapping[str, int]],
) -> Iterator[Promise]:
    """What is promised of each pool whose size is known.

    ``homes`` are the nodes of guests on storage of one node's own, ``rooms`` has by node the sizes of its pools by
    path. A container without a size promises nothing.
    """
    wanted: dict[tuple[str, str], int] = {}
    for guest in guests:
        parts = [(disk.pool, disk.size) for disk in guest.disks]
        parts += [(guest.rootfs.pool, guest.rootfs.size or 0)] if guest.rootfs else []
        for pool, size in parts:
            place = (pool, "" if pools[pool].shared else homes.get(guest.name, ""))
            wanted[place] = wanted.get(place, 0) + size
    for (pool, node), promised in sorted(wanted.items()):
        path = pools[pool].path
        # What all see has one size; a node that was asked before it was mounted may know another.
        sizes = [its[path] for name, its in rooms.items() if path in its and node in ("", name)]
        if sizes and (node or pools[pool].shared):
            yield Promise(pool, node, promised, min(sizes))
