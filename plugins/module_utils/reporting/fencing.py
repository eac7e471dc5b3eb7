# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing in words: its levels by node, which of them is broken, and the reminder to prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..cluster.fencing import is_device, node_of
from ..cluster.status import ClusterStatus, ResourceStatus

__all__ = ["broken_levels", "in_short", "levels", "reminder", "unwatched"]

#: What cuts a node's power or has it reset itself, by the rank of its device.
_MEANS = {1: "power controller", 2: "second power controller", 3: "SBD"}
#: What is the case when it does not work.
_WRONG = {
    "power controller": "its power controller does not answer",
    "second power controller": "its second power controller does not answer",
    "SBD": "no other node can read its slot on SBD's disk",
}


def levels(node: str, status: ClusterStatus) -> list[dict[str, Any]]:
    """By what a node is fenced, in the order in which it is tried: ``level``, ``by``, ``device``, ``works``."""
    devices = [(node_of(one.name), one) for one in status.resources if is_device(one.name)]
    found = sorted(((rank, one) for (whose, rank), one in devices if whose == node), key=lambda each: each[0])
    return [
        {"level": at, "by": _MEANS[rank], "device": one.name, "works": not _broken(one, status)}
        for at, (rank, one) in enumerate(found, 1)
    ]


def in_short(level: Mapping[str, Any]) -> str:
    """A level in a cell of a table."""
    return f"{level['level']} {level['by']}{'' if level['works'] else ' (DOWN)'}"


def broken_levels(status: ClusterStatus) -> list[str]:
    """What to say of devices that do not work: of one beside which another does, and of a node that has no other."""
    told = []
    for node in dict.fromkeys(node_of(one.name)[0] for one in status.resources if is_device(one.name)):
        its = levels(node, status)
        broken, working = ([level for level in its if level["works"] is works] for works in (False, True))
        if working:
            told += [
                f"{node}: {_WRONG[one['by']]}; it is tried again each minute, and until then {node} would be fenced by "
                f"its {working[0]['by']}"
                for one in broken
            ]
        elif broken:
            told.append(
                f"{node} cannot be fenced at the moment: {' and '.join(_WRONG[one['by']] for one in broken)}. It is "
                f"tried again each minute, and until then the guests of {node} would start nowhere else if it died"
            )
    return told


def unwatched(node: str, disks: Sequence[str]) -> list[str]:
    """What to say of disks of SBD that a node does not watch; nothing when there are none."""
    if not disks:
        return []
    return [
        f"{node}: SBD does not watch {', '.join(disks)}: `systemctl status sbd` there says whether it cannot reach "
        "the disk, or still has to be started with the cluster (docs/operate.md, Whether fencing works)"
    ]


def _broken(device: ResourceStatus, status: ClusterStatus) -> bool:
    trying = bool(device.pending) and not status.failures_of(device.name)
    return not (device.running or trying)


def reminder(unproven: Mapping[str, str], days: int) -> list[str]:
    """What to say of nodes whose fencing was not proven for so many days; the mapping has the day of the last proof."""
    told = [f"{node} ({f'last on {day}' if day else 'never'})" for node, day in unproven.items()]
    if not told:
        return []
    return [
        f"whether these nodes can be fenced was not proven in the last {days} days: {', '.join(told)}; "
        "ansible-playbook playbooks/fencing.yml -e prove=true empties, fences and refills one after the other"
    ]
