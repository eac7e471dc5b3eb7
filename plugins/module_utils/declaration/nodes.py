# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the inventory says of nodes to what corosync and Pacemaker are told of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..ceph.layout import memory_of
from ..cluster.fencing import usual_port
from ..cluster.ipmitool import AGENTS, IPMITOOL, place
from ..core.quantities import MIB, parse_size

__all__ = [
    "action_limit",
    "addresses",
    "capacities",
    "enumerated",
    "fencing_devices",
    "fencing_passwords",
    "fencing_report",
    "members",
]

#: Guests that start on a node at the same time, at most; and the processors of a node that nobody has looked at.
_MOST_AT_ONCE, _FEWEST_CPUS = 16, 2
#: Names that are told one by one.
_TOLD = 4


def enumerated(names: Sequence[str]) -> str:
    """Some names for a headline: all of them when they are few, else the first and how many more there are."""
    if len(names) <= _TOLD:
        return ", ".join(names) or "none"
    return f"{', '.join(names[: _TOLD - 1])} and {len(names) - _TOLD + 1} more"


def addresses(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Each node's address on the network they share, by name. ``nodes`` are the variables of each host."""
    return {
        str(node["inventory_hostname"]): str(node.get("node_address") or node.get("ansible_host") or "")
        for node in nodes
    }


def members(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """corosync's node list, as [{name, id, links, address}]; ``nodes`` are the variables of each host.

    The id is the last 16 bits of the node's address, knet takes no more. It does not come from the place in
    the inventory, which changes with the neighbours: corosync must never see one number for two nodes.
    """
    return [
        {
            "name": name,
            "id": int(ipaddress.ip_address(address)) & 0xFFFF,
            "links": [str(link) for link in node.get("cluster_links") or [address]],
            "address": address,
        }
        for (name, address), node in zip(addresses(nodes).items(), nodes, strict=True)
    ]


def capacities(
    nodes: Sequence[Mapping[str, Any]],
    reserve: str | int = 0,
    overcommit: int = 1,
    memory_overcommit: float = 1,
) -> dict[str, dict[str, dict[str, str]]]:
    """What each node can carry, as ``{node: {"utilization": {"memory": MiB, "vcpus": n}}}``.

    ``nodes`` are the variables of each host. ``cluster_node_memory`` and ``cluster_node_cpus`` there go before
    what was found on the node (``node_facts``). ``reserve`` is memory that each keeps for itself; what guests get of
    processors and of the rest of the memory, less what Ceph's daemons take, is that times ``overcommit`` and
    ``memory_overcommit``. A node that is down, hence without either, is left out.
    """
    found = {}
    of_ceph = memory_of(nodes)
    for node in nodes:
        facts = node.get("node_facts") or {}
        memory, cpus = (
            node.get("cluster_node_memory", facts.get("memory")),
            node.get("cluster_node_cpus", facts.get("cpus")),
        )
        if memory is None or cpus is None:
            continue
        free = (
            int(
                max(0, parse_size(memory) - parse_size(reserve) - of_ceph[str(node["inventory_hostname"])])
                * float(memory_overcommit)
            )
            // MIB
        )
        found[str(node["inventory_hostname"])] = {
            "utilization": {"memory": str(free), "vcpus": str(int(cpus) * int(overcommit))}
        }
    return found


def action_limit(nodes: Sequence[Mapping[str, Any]]) -> int:
    """How many guests a node starts, stops or moves at a time: two for each processor of the smallest node, as
    Pacemaker has it by default, but no more than their common storage bears at once.

    ``nodes`` are the variables of each host.
    """
    counts = [
        node.get("cluster_node_cpus", (node.get("node_facts") or {}).get("cpus")) or _FEWEST_CPUS for node in nodes
    ]
    return min(_MOST_AT_ONCE, 2 * min(map(int, counts), default=_FEWEST_CPUS))


def fencing_devices(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A fencing device for each node whose variables have ``fencing_bmc``, and ``fencing_fallback`` (see role fencing's
    defaults).

    What Pacemaker is told has no password where :func:`fencing_passwords` has it.
    """
    devices = []
    for node, bmc, level in _controllers(nodes):
        options = {str(key): str(value) for key, value in (bmc.get("options") or {}).items()}
        hidden = _hides(bmc)
        devices.append(
            {
                "node": node,
                "agent": _agent(bmc),
                "address": str(bmc["address"]),
                "port": _port(bmc),
                "username": str(bmc.get("user", "")),
                "password": "" if hidden else str(bmc.get("password", "")),
                "options": {**options, "ipmitool_path": IPMITOOL} if hidden else options,
                "level": level,
            }
        )
    return devices


def fencing_passwords(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The passwords that nodes keep for ipmitool, by power controller (see cluster/ipmitool.py)."""
    return {
        place(str(bmc["address"]), _port(bmc)): str(bmc["password"])
        for _node, bmc, _level in _controllers(nodes)
        if _hides(bmc)
    }


def _controllers(nodes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """The power controllers of each node, and the level at which each is asked."""
    for node in nodes:
        found = [
            bmc for bmc in (node.get("fencing_bmc") or {}, node.get("fencing_fallback") or {}) if bmc.get("address")
        ]
        for level, bmc in enumerate(found, 1):
            yield str(node["inventory_hostname"]), bmc, level


def _agent(bmc: Mapping[str, Any]) -> str:
    return str(bmc.get("agent", "fence_ipmilan"))


def _port(bmc: Mapping[str, Any]) -> int:
    return int(bmc.get("port", usual_port(_agent(bmc))))


def _hides(bmc: Mapping[str, Any]) -> bool:
    """Whether its password can be kept from arguments; somebody's own ipmitool is told it as the agent does."""
    own = "ipmitool_path" in (bmc.get("options") or {})
    return bool(bmc.get("password")) and _agent(bmc) in AGENTS and not own


def fencing_report(
    nodes: Sequence[str],
    devices: Sequence[Mapping[str, Any]],
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    pending: Sequence[str] = (),
) -> str:
    """Why HA is not safe, in words for the operator; empty when every node's fencing was proven from every other node.

    What a node says of its own power controller does not count: it never fences itself, and many a controller that
    shares the node's network port cannot be reached from there.

    ``checks`` are the results of cspp.drover.fence_check by the node that asked, ``pending`` the nodes whose SBD does
    not run.
    """
    lines = []
    equipped = {device["node"] for device in devices}
    for node in nodes:
        if node in equipped:
            continue
        if node in pending:
            lines.append(f"{node} has no power controller, and its SBD does not run yet: start its cluster anew.")
        else:
            lines.append(f"{node} has no power controller: set fencing_bmc (address, user, password) for it.")
    faults: dict[tuple[str, str], list[str]] = {}
    for asker, results in checks.items():
        for result in results:
            if result["works"] is False and result["node"] != asker:
                faults.setdefault((result["node"], result["message"]), []).append(asker)
    for (node, message), askers in sorted(faults.items()):
        lines.append(f"{node} cannot be fenced by {', '.join(sorted(askers))}: {message}")
    return "\n".join(lines)
