# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of a cluster as data, and as a table that people can read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..cluster.capacity import Room, capacity, free
from ..cluster.cib import Configuration
from ..cluster.disks import under_way
from ..cluster.fencing import is_device
from ..cluster.guests import addresses_of, guest_of, home_id, pin_id
from ..cluster.objects import PROVIDER, Location, Pin, Primitive
from ..cluster.paused import described as described_pause
from ..cluster.paused import since
from ..cluster.status import ClusterStatus, NodeStatus, ResourceStatus
from ..cluster.stopped import described, failed_where, remedy, stopped_by
from ..cluster.unconfirmed import unconfirmed
from ..cluster.waiting import failed_of_late, why_it_waits
from ..core.table import columns
from .fencing import broken_levels, in_short, levels

__all__ = ["STRAY", "gathered", "overview", "table"]

#: What to say of a node that is in the cluster and not in the inventory.
STRAY = (
    "node {node} is in the cluster and not in the inventory: it stays a member, and its guests run on; put it into the "
    "inventory again, or take it out of the cluster: playbooks/node_remove.yml -e node={node}"
)

GIB_IN_MIB = 1024


def overview(live: Configuration, status: ClusterStatus, inventory: Collection[str] = ()) -> dict[str, Any]:
    """The cluster, its nodes and its guests; ``problems`` are sentences, none when all is well.

    ``inventory`` are the names of the nodes that there should be; when it is empty, nobody knows.
    """
    strays = {
        node.name: STRAY.format(node=node.name) for node in status.nodes if inventory and node.name not in inventory
    }
    total, left = capacity(live), free(live, status)
    nodes = [_node(member, live, status, total, left) for member in status.nodes]
    guests = [_guest(name, live, status) for name in sorted(live.guests())]
    return {
        "cluster": {
            "leader": status.dc,
            "quorum": status.quorum,
            "fencing": status.fencing,
            "maintenance": status.maintenance,
            "paused_since": since(live.properties),
        },
        "nodes": nodes,
        "guests": guests,
        "fence_events": [vars(event) for event in status.fence_events],
        "strays": strays,
        "problems": [*strays.values(), *_problems(live, status)],
    }


def table(seen: Mapping[str, Any]) -> list[str]:
    """An overview as lines for a terminal."""
    cluster = seen["cluster"]
    words = [
        f"leader {cluster['leader'] or 'none'}",
        "quorum" if cluster["quorum"] else "NO QUORUM",
        "fencing on" if cluster["fencing"] else "FENCING OFF",
        *(["HA PAUSED"] if cluster.get("paused_since") is not None else []),
    ]
    several = any(len(node["fencing"]) > 1 for node in seen["nodes"])
    nodes = [
        [
            node["name"],
            node["state"],
            str(len(node["guests"])),
            f"{_gib(node['memory_used'])} of {_gib(node['memory'])}",
            f"{node['vcpus_used']} of {node['vcpus']}",
            *([", ".join(map(in_short, node["fencing"])) or "-"] if several else []),
        ]
        for node in seen["nodes"]
    ]
    described = any(guest["description"] for guest in seen["guests"])
    guests = [
        [
            guest["name"],
            guest["kind"],
            guest["state"],
            ", ".join(guest["nodes"]) or "-",
            _availability(guest),
            ", ".join(guest["addresses"]) or "-",
            *([guest["description"]] if described else []),
        ]
        for guest in seen["guests"]
    ]
    lines = [f"Cluster: {', '.join(words)}", ""]
    lines += columns(["NODE", "STATE", "GUESTS", "MEMORY", "VCPUS", *(["FENCING"] if several else [])], nodes)
    titles = ["GUEST", "KIND", "STATE", "NODE", "HA", "ADDRESS", *(["DESCRIPTION"] if described else [])]
    lines += ["", *columns(titles, guests)]
    if seen["problems"]:
        lines += ["", *(f"! {problem}" for problem in seen["problems"])]
    return lines


def gathered(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What all nodes that were asked (cspp.drover.cluster_status_info, by node) say together.

    ``told`` is whether any can tell of the cluster, ``document`` all of it as data, and ``lines`` the same for people:
    ``!`` before what is wrong, ``~`` before what is to be known. Of the nodes, one that has quorum speaks for all.
    """
    telling = [name for name, one in answers.items() if "table" in one]
    able = sorted(telling, key=lambda name: not answers[name]["member"])
    causes = {name: str(one.get("reason") or one.get("msg") or "it does not answer") for name, one in answers.items()}
    wrong = [line for one in answers.values() for line in one.get("node_problems") or []]
    if not able:
        return {"told": False, "causes": causes, "lines": [], "document": {"problems": wrong, "reminders": []}}
    seen = answers[able[0]]
    parts = ((answers[name].get("waiting") for name in able), [seen.get("unproven"), seen.get("drifted")])
    dropped = (one.get("filtered") for one in answers.values())
    notes = [line for part in (*parts, dropped) for lines in part for line in lines or []]
    keys = ("cluster", "paused", "nodes", "guests", "moves", "fence_events", "declaration")
    document = {
        "served_by": able[0],
        "silent": {name: why for name, why in causes.items() if name not in able},
        **{key: seen[key] for key in keys if key in seen},
        "problems": [*seen["problems"], *wrong],
        "reminders": notes,
    }
    lines = [*seen["table"], *(f"! {line}" for line in wrong), *(f"~ {line}" for line in notes)]
    return {"told": True, "causes": causes, "lines": lines, "document": document}


def _node(
    member: NodeStatus, live: Configuration, status: ClusterStatus, total: Mapping[str, Room], left: Mapping[str, Room]
) -> dict[str, Any]:
    here = [r.name for r in status.resources if member.name in r.nodes and r.name in live.primitives]
    guests = sorted(name for name in here if live.primitives[name].provider == PROVIDER)
    fenced_by = levels(member.name, status)
    row: dict[str, Any] = {"name": member.name, "state": member.word, "guests": guests, "fencing": fenced_by}
    for key in ("memory", "vcpus"):
        row[key] = total.get(member.name, {}).get(key, 0)
        row[f"{key}_used"] = row[key] - left.get(member.name, {}).get(key, 0)
    return row


def _guest(name: str, live: Configuration, status: ClusterStatus) -> dict[str, Any]:
    primitive, seen = live.primitives[name], status.resource(name)
    down = stopped_by(primitive)
    pin, home = live.constraints.get(pin_id(name)), live.constraints.get(home_id(name))
    return {
        "name": name,
        "kind": primitive.type,
        "state": _state(name, seen, down, status),
        "nodes": list(seen.nodes) if seen else [],
        "stopped_by": down,
        "failures": {node: found.running for node, found in live.failures.get(name, {}).items() if found.running},
        "ha": not isinstance(pin, Pin),
        "priority": int(primitive.meta.get("priority", "0")),
        "home": home.node if isinstance(home, Location) else None,
        "memory": int(primitive.utilization.get("memory", "0")),
        "vcpus": int(primitive.utilization.get("vcpus", "0")),
        "addresses": addresses_of(primitive),
        "description": str((guest_of(primitive) or {}).get("description") or ""),
    }


def _problems(live: Configuration, status: ClusterStatus) -> list[str]:
    problems = []
    if not status.quorum:
        problems.append("there is no quorum: no guest is started anywhere until more than half of the nodes are up")
    if not status.fencing:
        problems.append("fencing is off: the guests of a node that dies are not safe to start again elsewhere")
    if words := described_pause(live.properties):
        problems.append(words)
    lost = {one.node: str(one) for one in unconfirmed(status)}
    for node in status.nodes:
        if node.name in lost:
            problems.append(lost[node.name])
        elif node.word == "unmanaged":
            end = f"crm_attribute --node {node.name} --name maintenance --delete"
            problems.append(f"node {node.name} is unmanaged (attribute maintenance); to end that: {end}")
        elif node.word not in {"online", "maintenance"}:
            problems.append(f"node {node.name} is {node.word}{_not_fenced(node)}")
    for name, guest in live.guests().items():
        problems += _problems_of(name, guest, live, status)
        problems += failed_of_late(name, live)
        if moving := under_way(guest):
            problems.append(
                f"guest {name} has {' and '.join(moving)} on the way to another pool; where nobody is at that any "
                f"more: playbooks/guests.yml -e guests_move_disks={name}"
            )
        if name in status.notes:
            problems.append(f"guest {name} is {status.notes[name]}")
        if guest.meta.get("maintenance") == "true":
            problems.append(f"guest {name} is unmanaged (meta attribute maintenance)")
    problems += broken_levels(status)
    # That of a fencing device is told by what comes of it, once.
    return problems + [str(one) for one in status.failures if not is_device(one.resource)]


def _problems_of(name: str, guest: Primitive, live: Configuration, status: ClusterStatus) -> Iterator[str]:
    """What is wrong with where and whether a guest runs. One that stays down as it should is all right."""
    seen, down = status.resource(name), stopped_by(guest)
    if seen is None or seen.pending:
        return
    if lost := _lost(seen, status):
        yield (
            f"guest {name} was on {' and '.join(lost)}, and nobody knows whether it runs: it starts elsewhere once "
            "that node is known to be off"
        )
    elif down and not seen.active:
        if down in ("hand", "failures"):
            where = f" ({failed_where(guest)})" if failed_where(guest) else ""
            yield f"guest {name} {described(down)}{where}; {remedy(name, down)}"
    elif down:
        yield f"guest {name} {described(down)}, but is {seen.word} on {', '.join(seen.nodes)}"
    elif not seen.running:
        why = "" if seen.active else why_it_waits(name, live, status)
        yield f"guest {name} waits: {why}" if why else f"guest {name} is {seen.word}"


def _not_fenced(node: NodeStatus) -> str:
    """How far a node that is lost is from being known to be off."""
    if not node.unclean or node.online:
        return ""
    return ": its power is being cut, and its guests start elsewhere once it is off"


def _state(name: str, seen: ResourceStatus | None, down: str | None, status: ClusterStatus) -> str:
    """A guest's state in the table: what is known of it."""
    if seen is None:
        return "unknown"
    if _lost(seen, status):
        return "not known"
    if name in status.notes:
        return "paused"
    words = {
        "declared": "stopped (declared)",
        "itself": "stopped by itself",
        "failures": "failed too often",
        "hand": "stopped by hand",
    }
    return words[down] if down and seen.word == "stopped" else seen.word


def _lost(seen: ResourceStatus, status: ClusterStatus) -> list[str]:
    """The nodes that a guest was last seen on, if nobody knows any more what goes on there."""
    hosts = [(name, status.node(name)) for name in seen.nodes]
    return [name for name, host in hosts if host is not None and (host.unclean or not host.online)]


def _availability(guest: Mapping[str, Any]) -> str:
    if not guest["ha"]:
        return "no"
    word = f"yes, priority {guest['priority']}" if guest["priority"] else "yes"
    return f"{word}, home {guest['home']}" if guest["home"] else word


def _gib(mib: int) -> str:
    return f"{mib / GIB_IN_MIB:.1f} GiB"
