# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges as systemd-networkd's files: written from what is declared, and read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.network import reaches
from ..core.quantities import ETHERNET_MTU

__all__ = ["Bridges", "files", "read"]

FOLDER = "/etc/systemd/network"
HEADER = "# Kept by Drover's role network.\n"

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
                *(("DNS", str(server)) for server in bridge.get("dns", [])),
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
