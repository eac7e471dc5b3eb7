# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks: the bridges that nodes declare, what is on them beside guests, and whether guests fit in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..core import parse
from ..core.network import reaches, servers
from ..core.quantities import ETHERNET_MTU
from .nodes import enumerated
from .types import Bridge, Cluster, Guest, Nic

__all__ = ["astray", "bridges", "claims", "machines", "misfits", "nameservers", "problems", "worries"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}")
_PLURALS = {"node": "nodes", "the power controller of": "the power controllers of"}
_LOOPBACK = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


# --- network_bridges -----------------------------------------------------------------------------------------


def problems(declared: object) -> list[str]:
    """What is wrong with ``network_bridges``, each with its path in the YAML."""
    found: list[parse.Problem] = []
    if not isinstance(declared, Mapping):
        return ["network_bridges: is not a mapping from names to bridges"]
    owners: dict[str, str] = {}
    for name, entry in declared.items():
        path = f"network_bridges.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            found.append(
                parse.Problem(path, "a bridge's name has at most 15 letters, digits, dots, hyphens or underscores")
            )
        if not entry:
            continue
        if not isinstance(entry, Mapping):
            found.append(parse.Problem(path, "is not a mapping with the bridge's properties"))
            continue
        for port in _bridge(parse.Fields(entry, path, found)):
            if (first := owners.setdefault(port, path)) != path:
                found.append(parse.Problem(f"{path}.ports", f"{port} is also a port of {first}"))
    return [str(problem) for problem in found]


def _bridge(fields: parse.Fields) -> tuple[str, ...]:
    """Judges one bridge; returns its ports."""
    nothing: tuple[str, ...] = ()
    ports = fields.take("ports", parse.list_of(parse.matching(_NAME, "the name of a network interface")), nothing)
    addresses = fields.take("addresses", parse.list_of(parse.address), nothing)
    gateway = fields.take("gateway", parse.ip, None)
    fields.take("dns", parse.list_of(parse.nameserver), nothing)
    fields.take("mtu", parse.within(576, 9216), ETHERNET_MTU)
    for key in ("vlan_aware", "accept_ra"):
        fields.take(key, parse.boolean, False)
    fields.done()
    if gateway is not None and not addresses:
        fields.note("gateway", "needs addresses: the node has none on this bridge")
    elif gateway is not None and (complaint := astray(gateway, addresses)):
        fields.note("gateway", complaint)
    return ports


def astray(gateway: str, addresses: Sequence[str]) -> str:
    """Why nobody with these addresses (with prefix) reaches the gateway; empty if somebody does.

    Hosters give single addresses, /32 or /128, with a gateway outside of them, and IPv6 routers have link-local ones.
    """
    its = parse.as_ip(gateway)
    own = [one for one in map(parse.as_interface, addresses) if one.version == its.version]
    if not own:
        return f"{gateway}: there is no IPv{its.version} address on this interface that could use it"
    if any(its == interface.ip for interface in own):
        return f"{gateway} is the interface's own address"
    inside = next((interface.network for interface in own if its in interface.network), None)
    if inside is not None and parse.is_edge(its, inside):
        return f"{gateway} is not a host's address in {inside}"
    if reaches(addresses, gateway) or any(interface.network.num_addresses == 1 for interface in own):
        return ""
    return (
        f"{gateway} is not on the network of any address of this interface (if your hoster gives it like that, write "
        f"the address with /{its.max_prefixlen})"
    )


def bridges(declared: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Bridge]:
    """The bridges of ``network_bridges``, as guests are judged against them. One declared empty is kept by other means:
    nothing is known of it."""
    return {name: _read(entry) if entry else Bridge() for name, entry in declared.items()}


def _read(entry: Mapping[str, Any]) -> Bridge:
    return Bridge(
        vlan_aware=bool(entry.get("vlan_aware", False)),
        mtu=int(entry.get("mtu") or ETHERNET_MTU),
        dns=tuple(str(server) for server in entry.get("dns") or ()),
        networks=tuple(str(ipaddress.ip_interface(str(address)).network) for address in entry.get("addresses") or ()),
        gateway=_ip(str(entry.get("gateway") or "")),
    )


# --- what is no guest ----------------------------------------------------------------------------------------


def machines(nodes: Mapping[str, Mapping[str, Any]], pools: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Whose the IP addresses are that belong to no guest: nodes, power controllers, storage servers.

    ``nodes`` are by name what filter guest_nodes makes, ``pools`` role storage's. Names of hosts are passed over: what
    they stand for here need not be what it is on the nodes.
    """
    found: dict[str, str] = {}
    for name, node in nodes.items():
        for address in node.get("addresses", ()):
            if own := _ip(address.partition("/")[0]):
                found.setdefault(own, f"node {name}")
    for name, node in nodes.items():
        if controller := _ip(str(node.get("power_controller", ""))):
            found.setdefault(controller, f"the power controller of {name}")
    for pool, its in pools.items():
        for server in servers(str((its.get("mount") or {}).get("src", ""))):
            if address := _ip(server):
                found.setdefault(address, f"the storage server of pool {pool}")
    return found


def _ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


# --- guests --------------------------------------------------------------------------------------------------


def nameservers(nics: Sequence[Nic], cluster: Cluster) -> tuple[str, ...]:
    """Whom a guest asks for names that declares no servers itself: those of all guests, else those of its bridge."""
    if cluster.nameservers or not nics or cluster.bridges is None:
        return tuple(cluster.nameservers)
    bridge = cluster.bridges.get(nics[0].bridge)
    # A resolver on the node itself is none that a guest could ask.
    return tuple(server for server in bridge.dns if not parse.as_ip(server).is_loopback) if bridge else ()


def misfits(nic: Nic, bridge: Bridge | None) -> Iterator[tuple[str, str]]:
    """What a bridge cannot do for an interface, as (key, message)."""
    bridge = bridge or Bridge()
    if nic.vlan is not None and bridge.vlan_aware is False:
        yield (
            "vlan",
            f"{nic.bridge} is not VLAN-aware: give it vlan_aware: true in network_bridges and run playbooks/site.yml, "
            "or leave out vlan",
        )
    if nic.mtu is None or bridge.mtu is None or nic.mtu == bridge.mtu:
        return
    if nic.mtu < bridge.mtu:
        yield (
            "mtu",
            f"{nic.mtu} is less than the {bridge.mtu} of {nic.bridge}, which would sink to it for all that are on it: "
            "leave it out and set it inside the guest",
        )
    else:
        yield (
            "mtu",
            f"{nic.mtu} is more than the {bridge.mtu} of {nic.bridge}, which drops what is longer: give the bridge "
            f"mtu: {nic.mtu} in network_bridges and run playbooks/site.yml",
        )


def claims(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """Guests that have the address of the nodes' gateway and are no routers, as (guest, path within it, message)."""
    whose = {bridge.gateway: name for name, bridge in (cluster.bridges or {}).items() if bridge.gateway}
    for name, guest in guests.items():
        for index, nic in enumerate(guest.nics):
            for address in (address.partition("/")[0] for address in nic.addresses):
                if not nic.trusted and address in whose:
                    yield (
                        name,
                        f"nics[{index}].address",
                        f"{address} is the gateway of {whose[address]}: say trusted: true if this guest is that router",
                    )


def worries(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[str]:
    """What is possible, but not what the user may think."""
    shared: dict[Network, list[str]] = {}
    inside: dict[str, None] = {}
    for name, guest in guests.items():
        for network in _networks(guest.nics, cluster):
            those = [whose for address, whose in cluster.taken.items() if _within(address, network)]
            inside |= dict.fromkeys(those)
            if those:
                shared.setdefault(network, []).append(name)
    asked = {server for guest in guests.values() for server in guest.nameservers}
    for name, guest in guests.items():
        if answering := asked.intersection(
            address.partition("/")[0] for nic in guest.nics for address in nic.addresses
        ):
            yield f"guests ask {name} ({', '.join(sorted(answering))}) for names: right if it is their DNS server"
    if shared:
        names = dict.fromkeys(name for its in shared.values() for name in its)
        yield (
            f"guests ({enumerated(list(names))}) share the network {', '.join(map(str, shared))} with "
            f"{_listed(inside)}: better give these one without guests"
        )


def _networks(nics: Iterable[Nic], cluster: Cluster) -> Iterator[Network]:
    """The networks that a guest's interfaces are in; one that asks for its address is in those of the bridge's own."""
    for nic in nics:
        bridge = (cluster.bridges or {}).get(nic.bridge) or Bridge()
        if nic.addresses:
            yield from (ipaddress.ip_interface(address).network for address in nic.addresses)
        elif nic.vlan is None:
            yield from map(ipaddress.ip_network, bridge.networks)


def _within(address: str, network: Network) -> bool:
    its = ipaddress.ip_address(address)
    return its in network and not any(its in loopback for loopback in _LOOPBACK)


def _listed(owners: Iterable[str]) -> str:
    """Owners for people, those of a kind together."""
    kinds: dict[str, list[str]] = {}
    for owner in owners:
        kind, _, name = owner.rpartition(" ")
        kinds.setdefault(kind, []).append(name)
    return ", ".join(
        f"{kind if len(names) < 2 else _PLURALS.get(kind, kind)} {enumerated(names)}" for kind, names in kinds.items()
    )
