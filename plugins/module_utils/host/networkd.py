# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges as systemd-networkd's files: written from what is declared, and read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.network import reaches
from ..core.quantities import ETHERNET_MTU

__all__ = ["Bridges", "differences", "files", "read", "resolver_files"]

FOLDER = "/etc/systemd/network"
HEADER = "# Kept by Drover's role network.\n"

#: What says it in systemd-networkd's files, and the key of a bridge that it comes from.
_KEYS = {
    "Address": "addresses",
    "Gateway": "gateway",
    "DNS": "dns",
    "MTUBytes": "mtu",
    "VLANFiltering": "vlan_aware",
    "IPv6AcceptRA": "accept_ra",
}
#: The ports of each bridge.
Bridges = dict[str, frozenset[str]]


def _unit(sections: Mapping[str, list[tuple[str, str]]]) -> str:
    return HEADER + "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines) for name, lines in sections.items() if lines
    )


def files(bridges: Mapping[str, Mapping[str, Any] | None]) -> list[dict[str, str]]:
    """The files that declare ``bridges`` (see the role's defaults), as [{path, content}].

    Names start with 05- so that they go before the installer's. A bridge declared empty is somebody else's.
    """
    entries: list[dict[str, str]] = []
    for name, bridge in bridges.items():
        if not bridge:
            continue
        ports = [str(port) for port in bridge.get("ports", [])]
        vlan_aware = bool(bridge.get("vlan_aware", False))
        accept_ra = bool(bridge.get("accept_ra", False))
        # Said always: what is not said a bridge takes from its ports, and every node from other ones.
        mtu = [("MTUBytes", str(bridge.get("mtu") or ETHERNET_MTU))]
        gateway, addresses = str(bridge.get("gateway") or ""), [str(address) for address in bridge.get("addresses", [])]
        outside = bool(gateway) and not reaches(addresses, gateway)
        netdev = {
            # With MACAddress=none the bridge takes over its first port's address: neighbours notice nothing.
            "NetDev": [("Name", name), ("Kind", "bridge"), ("MACAddress", "none")],
            # Guests must be reachable the moment they start; there is one way into each bridge, so no loops.
            "Bridge": [("STP", "no"), ("ForwardDelaySec", "0"), ("VLANFiltering", "yes" if vlan_aware else "no")],
        }
        network = {
            "Match": [("Name", name)],
            "Link": mtu,
            "Network": [
                *(("Address", address) for address in addresses),
                *([("Gateway", gateway)] if gateway and not outside else []),
                *(("DNS", str(server)) for server in bridge.get("dns") or [] if addresses),
                ("ConfigureWithoutCarrier", "yes"),
                # Any guest could be the router that says so.
                ("IPv6AcceptRA", "yes" if accept_ra else "no"),
                *([] if addresses or accept_ra else [("LinkLocalAddressing", "no")]),
            ],
            # As hosters give it to a single address.
            "Route": [("Gateway", gateway), ("GatewayOnLink", "yes")] if outside else [],
        }
        entries += [
            {"path": f"{FOLDER}/05-drover-{name}.netdev", "content": _unit(netdev)},
            {"path": f"{FOLDER}/05-drover-{name}.network", "content": _unit(network)},
        ]
        for port in ports:
            port_unit = {
                "Match": [("Name", port)],
                "Link": mtu,
                "Network": [("Bridge", name), ("LinkLocalAddressing", "no"), ("IPv6AcceptRA", "no")],
                "BridgeVLAN": [("VLAN", "2-4094")] if vlan_aware else [],
            }
            entries.append({"path": f"{FOLDER}/05-drover-{name}-{port}.network", "content": _unit(port_unit)})
    return entries


def resolver_files(
    bridges: Mapping[str, Mapping[str, Any] | None], resolver: Mapping[str, Any]
) -> list[dict[str, str]]:
    """What makes programs of the node ask the servers that its bridges declare, as [{path, content}].

    systemd-networkd tells systemd-resolved alone, which Debian does not install. ``resolver`` is what module node_info
    says of it. Where no servers are declared, what there is stays. A bridge without the node on it is for guests.
    """
    its_own = [bridge for bridge in bridges.values() if bridge and bridge.get("addresses")]
    servers = dict.fromkeys(str(server) for bridge in its_own for server in bridge.get("dns") or ())
    if not servers or resolver["manager"] != "file":
        return []
    lines = [*resolver["kept"], *(f"nameserver {server}" for server in servers)]
    return [{"path": "/etc/resolv.conf", "content": HEADER + "".join(f"{line}\n" for line in lines)}]


def read(texts: Iterable[str]) -> Bridges:
    """The bridges and ports that files of :func:`files` declare, by their contents. Other files are passed over."""
    ports: dict[str, set[str]] = {}
    for text in texts:
        if not text.startswith(HEADER):
            continue
        pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        if pairs.get("Kind") == "bridge":
            ports.setdefault(pairs["Name"], set())
        elif "Bridge" in pairs:
            ports.setdefault(pairs["Bridge"], set()).add(pairs["Name"])
    return {bridge: frozenset(names) for bridge, names in ports.items()}


def differences(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """What a change of such files changes, by the keys of ``network_bridges`` and for people."""
    old, new = _told(before), _told(after)
    return [
        f"{place} ({', '.join(old.get(place, ())) or 'nothing'} -> {', '.join(new.get(place, ())) or 'nothing'})"
        for place in sorted({*old, *new})
        if sorted(old.get(place, ())) != sorted(new.get(place, ()))
    ]


def _told(texts: Iterable[str]) -> dict[str, list[str]]:
    """What files of :func:`files` say, by BRIDGE.KEY."""
    found: dict[str, list[str]] = {}
    for text in texts:
        if not text.startswith(HEADER):
            continue
        pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line]
        its = dict(pairs)
        if "Bridge" in its:
            found.setdefault(f"{its['Bridge']}.ports", []).append(its["Name"])
            continue
        for key, value in pairs:
            if key in _KEYS:
                found.setdefault(f"{its['Name']}.{_KEYS[key]}", []).append(value)
    return found
