# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Headroom: what nodes could still take, and whose loss the others could not make up for.

A guest has the memory that it is promised, whatever it uses. Who would be placed where is told by the largest first,
each where most is left, which is not how Pacemaker does it: it may find room where this does not, and the other way
round. It is there to warn in time, and needs no scheduler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..cluster.capacity import capacity
from ..cluster.cib import Configuration

__all__ = ["homeless"]


def homeless(live: Configuration, places: Mapping[str, str | None], usable: Sequence[str]) -> dict[str, list[str]]:
    """For each node whose loss would leave guests without room, these. ``places`` tells where each guest is."""
    nodes = [name for name in usable if name not in live.standby()]
    memory = {name: int(guest.utilization.get("memory", "0")) for name, guest in live.guests().items()}
    total = {name: room.get("memory", 0) for name, room in capacity(live).items()}
    found = {}
    for dead in nodes:
        left = {
            node: total.get(node, 0) - sum(size for name, size in memory.items() if places.get(name) == node)
            for node in nodes
            if node != dead
        }
        without = []
        for name in sorted((n for n in memory if places.get(n) == dead), key=lambda n: (-memory[n], n)):
            best = max(left, key=lambda node: left[node], default=None)
            if best is None or left[best] < memory[name]:
                without.append(name)
            else:
                left[best] -= memory[name]
        if without:
            found[dead] = sorted(without)
    return found
