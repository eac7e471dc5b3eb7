# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nodes' packet filters are told of the cluster (hypervisor/filter_rules.Facts): whom guests must leave alone."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..core.network import servers
from .nodes import addresses

__all__ = ["filter_facts"]

#: The node's side of a guest's interface (guest/definition.host_interface).
_OF_A_GUEST = re.compile(r".{1,8}-[0-9a-f]{6}")


def filter_facts(
    nodes: Sequence[Mapping[str, Any]],
    here: str,
    *,
    enabled: bool = True,
    open_to_guests: Sequence[Mapping[str, Any]] = (),
    own_ports: Sequence[str] = (),
    members: Sequence[Mapping[str, Any]] = (),
    wandering: Sequence[str] = (),
    resolve: Callable[[str], Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The facts of the node ``here``. ``nodes`` are the variables of each host.

    Of a node that was looked at in this run (``node_facts``) all addresses count, of another those that the inventory
    declares. ``members`` are those of the cluster (module membership), of whom the inventory may lack some: what is
    known of these are their addresses, not their power controllers. ``wandering`` are addresses, with prefix, that now
    one node has and now another. Names of storage servers are resolved; one that does not resolve is left out.
    """
    of_nodes = _unique(
        [
            *(address for node in nodes for address in _of_node(node)),
            *(address.partition("/")[0] for address in wandering),
            *(str(address) for member in members for address in (member["address"], *member["links"])),
        ]
    )
    walled = _unique(address for node in nodes for address in _walled(node, resolve or _resolve))
    own = next(node for node in nodes if str(node["inventory_hostname"]) == here)
    bridges: Mapping[str, Any] = own.get("network_bridges") or {}
    every = [bridge or {} for node in nodes for bridge in (node.get("network_bridges") or {}).values()]
    return {
        "enabled": enabled,
        "nodes": of_nodes,
        # A node that serves storage as well is a node: it asks guests, and is asked for names.
        "walled": [address for address in walled if address not in of_nodes],
        "gateways": _unique(bridge["gateway"] for bridge in every if bridge.get("gateway")),
        "own": sorted({*own_ports, *_own_ports(bridges, (own.get("node_facts") or {}).get("interfaces") or {})}),
        "bridges": sorted(bridges),
        "open": [{key: str(value) for key, value in one.items()} for one in open_to_guests],
    }


def _of_node(node: Mapping[str, Any]) -> Iterator[str]:
    yield from addresses([node]).values()
    yield from map(str, node.get("cluster_links") or ())
    for bridge in (node.get("network_bridges") or {}).values():
        yield from ((bridge or {}).get("addresses") or ())
    for name, interface in ((node.get("node_facts") or {}).get("interfaces") or {}).items():
        if not _OF_A_GUEST.fullmatch(name):
            yield from interface["addresses"]


def _walled(node: Mapping[str, Any], resolve: Callable[[str], Sequence[str]]) -> Iterator[str]:
    bmc = (node.get("fencing_bmc") or {}).get("address")
    if bmc:
        yield from resolve(str(bmc))
    for pool in (node.get("storage_pools") or {}).values():
        source = str(((pool or {}).get("mount") or {}).get("src") or "")
        for server in servers(source):
            yield from resolve(server)


def _own_ports(bridges: Mapping[str, Any], interfaces: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Ports of bridges that are no guest's: those that are declared, and on others' bridges those that are there."""
    declared = {name for name, bridge in bridges.items() if bridge}
    for name in declared:
        yield from (bridges[name].get("ports") or ())
    for name, interface in interfaces.items():
        if interface.get("bridge") and interface["bridge"] not in declared and not _OF_A_GUEST.fullmatch(name):
            yield name


def _unique(found: Iterable[str]) -> list[str]:
    """Addresses without prefix, sorted, none that means a machine to itself or to its link alone."""
    unique = set()
    for address in found:
        with suppress(ValueError):
            ip = ipaddress.ip_interface(address).ip
            if not ip.is_loopback and not ip.is_link_local:
                unique.add(ip)
    return [str(ip) for ip in sorted(unique, key=lambda ip: (ip.version, int(ip)))]


def _resolve(name: str) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []
