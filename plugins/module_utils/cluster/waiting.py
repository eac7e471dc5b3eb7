# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a guest that may run does not: what each node has against it. And how often guests have failed of late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .capacity import Room, free
from .cib import Configuration
from .disks import hold_id
from .guests import data_id, pin_id
from .objects import Location, Pin, Primitive
from .recovery import USUAL, Failures, Recovery
from .status import ClusterStatus, NodeStatus

__all__ = ["failed_of_late", "why_it_waits"]

_UNITS = {"memory": "MiB of memory", "vcpus": "vcpus"}


def why_it_waits(name: str, live: Configuration, status: ClusterStatus) -> str:
    """What keeps a guest that runs nowhere from each node; empty where nothing is known to."""
    guest, left = live.primitives[name], free(live, status)
    against = [list(_against(guest, node, live, left)) for node in status.nodes]
    if not all(against):
        return ""
    return "; ".join(words for words, *_more in against)


def failed_of_late(name: str, live: Configuration) -> Iterator[str]:
    """How often a guest has failed while it ran, and what comes next, a sentence for each node."""
    guest = live.primitives[name]
    limits = Recovery.of(guest.meta) or USUAL
    for node, failures in sorted(live.failures.get(name, {}).items()):
        if not failures.running:
            continue
        left = limits.max_restart - failures.running
        then = f"started again {left} more times there" if left > 0 else "not started there again"
        yield f"guest {name} has failed {_times(failures.running)} on {node} of late: if it goes on, it is {then}"


def _against(guest: Primitive, node: NodeStatus, live: Configuration, left: Mapping[str, Room]) -> Iterator[str]:
    """What speaks against a guest's start on a node, the weightiest first."""
    if not node.usable:
        yield f"{node.name} is {'in maintenance' if node.word == 'maintenance' else node.word}"
    pin, data = live.constraints.get(pin_id(guest.id)), live.constraints.get(data_id(guest.id))
    if hold_id(guest.id) in live.constraints:
        yield f"its disks are on their way to another pool (playbooks/guests.yml -e guests_move_disks={guest.id})"
    if isinstance(pin, Pin) and pin.node != node.name:
        yield f"it is bound to {pin.node or 'no node'} (ha: false), not to {node.name}"
    if isinstance(data, Location) and data.node != node.name:
        yield f"its data is on {data.node}, not on {node.name}"
    failures = live.failures.get(guest.id, {}).get(node.name, Failures())
    if failures.not_started:
        yield f"it could not be started on {node.name}, which is tried again later"
    limits = Recovery.of(guest.meta) or USUAL
    if failures.running > limits.max_restart:
        yield f"it has failed {_times(failures.running)} on {node.name}, which is tried again later"
    short = [
        f"{_UNITS[key]}: {needed} needed, {max(0, left.get(node.name, {}).get(key, 0))} left"
        for key, needed in ((key, int(guest.utilization.get(key, "0"))) for key in _UNITS)
        if needed > left.get(node.name, {}).get(key, 0)
    ]
    if short:
        yield f"{node.name} has no room ({', '.join(short)})"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
