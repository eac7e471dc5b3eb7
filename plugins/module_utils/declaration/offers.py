# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a declaration of a guest may name: images, pools, bridges, firewall sets and groups. Their names stand in the
inventory alone, so role console writes them down on each node, for whoever makes a guest in the console's page.

It is what role guests judges declarations against, less what only a run knows: what the nodes have and can. Nothing in
it is secret: of a pool's mount it has the source and no options.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import networks
from .keys import children
from .nodes import addresses
from .types import Kind

__all__ = ["document", "offers", "surroundings"]

#: Of a pool and of a bridge, what guests are judged by.
_POOL, _BRIDGE = ("type", "path", "shared", "pool"), ("vlan_aware", "mtu", "dns", "gateway")
#: The pools that a guest's volumes can be in, by the kind of guest.
_TYPES: Mapping[Kind, tuple[str, ...]] = {"vm": ("directory", "rbd"), "container": ("directory", "cephfs")}
_GIVEN = (
    "images",
    "default_pool",
    "rootfs_pool",
    "nameservers",
    "expected_guests",
    "firewall_sets",
    "firewall_groups",
)


def offers(cluster: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What role console writes down. ``cluster`` is as Declaration.read takes it, without ``nodes``; ``hosts`` are the
    variables of each node. It is the same on all nodes, whichever of them could be asked."""
    return {
        **{key: cluster[key] for key in _GIVEN if cluster.get(key) not in (None, "", [], {})},
        "pools": {name: _pool(entry) for name, entry in cluster["pools"].items()},
        "bridges": {name: _bridge(entry) for name, entry in (cluster.get("bridges") or {}).items()},
        "nodes": {str(host["inventory_hostname"]): _node(host) for host in hosts},
    }


def surroundings(told: Mapping[str, Any], rooms: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What guests are judged against (declaration.Declaration.read): what was written down, and ``rooms``, what each
    node of the cluster has for guests."""
    nodes = {name: {**told["nodes"].get(name, {}), **room} for name, room in rooms.items()}
    return {"images": {}, "default_pool": "", **told, "nodes": nodes}


def document(told: Mapping[str, Any]) -> dict[str, Any]:
    """What people choose from, as lists in the order of the inventory, with the names of all keys by kind of guest."""
    usual = {"vm": told.get("default_pool"), "container": told.get("rootfs_pool") or told.get("default_pool")}
    return {
        "images": list(_images(told)),
        "pools": [
            {
                "name": name,
                "type": its["type"],
                "shared": its.get("shared", True),
                "kinds": [kind for kind, types in _TYPES.items() if its["type"] in types],
                "default_of": [kind for kind, pool in usual.items() if pool == name],
            }
            for name, its in told["pools"].items()
        ],
        "bridges": [
            {
                "name": name,
                "networks": list(bridge.networks),
                "gateway": bridge.gateway,
                "dns": list(bridge.dns),
                "vlan_aware": bridge.vlan_aware,
                "mtu": bridge.mtu,
            }
            for name, bridge in networks.bridges(told["bridges"]).items()
        ],
        "firewall_sets": list(told.get("firewall_sets", ())),
        "firewall_groups": list(told.get("firewall_groups", ())),
        "keys": {kind: [key.name for key in children("") if kind in key.kinds] for kind in _TYPES},
    }


def _images(told: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name, kinds in told.get("images", {}).items():
        for kind, boots in kinds.items():
            yield {"name": name, "kind": kind, "boots": boots}


def _pool(entry: Mapping[str, Any]) -> dict[str, Any]:
    source = (entry.get("mount") or {}).get("src")
    return {key: entry[key] for key in _POOL if key in entry} | ({"mount": {"src": source}} if source else {})


def _bridge(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    """A bridge as it is declared, with its networks in the place of the node's own addresses there."""
    if not entry:
        return {}
    [bridge] = networks.bridges({"": entry}).values()
    told = {key: entry[key] for key in _BRIDGE if key in entry}
    return told | ({"addresses": list(bridge.networks)} if bridge.networks else {})


def _node(host: Mapping[str, Any]) -> dict[str, Any]:
    """The addresses that the inventory has of a node, and of its power controller."""
    bridges = [entry for entry in (host.get("network_bridges") or {}).values() if entry]
    own = [str(address).partition("/")[0] for entry in bridges for address in entry.get("addresses") or ()]
    found = [address for address in dict.fromkeys([*addresses([host]).values(), *own]) if address]
    controller = (host.get("fencing_bmc") or {}).get("address")
    return {"addresses": found, **({"power_controller": str(controller)} if controller else {})}
