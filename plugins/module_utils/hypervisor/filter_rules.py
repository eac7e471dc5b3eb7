# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The node's packet filter as nftables text: the base, and what is added to it for each interface of a guest.

All of it is ``table bridge drover``. Two hooks see every frame of every port of every bridge: before it is bridged or
handed to the node itself, by the port that it came in through; and before it leaves, by the port it leaves through.
A verdict map has the chain of each guest's interface, so a frame passes the rules of its own interface alone, however
many guests there are. A port that no map knows and that is of the kinds that guests have passes nothing: the filter is
closed until it was told of a guest.

Nothing tracks connections. TCP is judged at the segment that opens a connection, so one that is open stays open
wherever its guest goes. Of UDP and ICMP the answers to what a guest has asked are told by their ports and types.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..guest.definition import Definition, host_interface
from .firewall_rules import incoming, outgoing

__all__ = [
    "HOOKS",
    "REASONS",
    "STRAYS",
    "TABLE",
    "Facts",
    "Port",
    "admitted",
    "base",
    "expelled",
    "identifier",
    "ports_of",
]

#: Family and name of the table.
TABLE = "bridge drover"
_MAC, _NAME = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}"), re.compile(r"[A-Za-z0-9_.-]+")
#: The chains that the kernel enters.
HOOKS = ("from_guests", "to_guests", "to_node")
#: Why frames are dropped. Each is a chain, a map from interfaces to counters, and the first part of a counter's name.
REASONS = ("spoofed", "forbidden", "protected", "firewall_out", "firewall_in")
#: The counter of what is dropped at ports that are nobody's.
STRAYS = "unknown"
#: Addresses that switches keep to themselves, BPDUs among them (IEEE 802.1Q, table 8-1).
_LINK_CONSTRAINED = "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00"
#: What the interfaces of guests are to the kernel: taps of VMs, ends of veth pairs of containers.
_KINDS = '{ "tun", "veth" }'
#: A segment that opens a connection. Judged by these two flags, for some systems overlook others beside them.
_OPENS = "tcp flags & (syn | ack) == syn"
#: The rest of a segment's header may come in the second fragment.
_NO_FRAGMENTS = ("ip frag-off & 0x3fff != 0 goto protected", "exthdr frag exists goto protected")
#: UDP ports from which programs ask; below are those at which they are asked.
_ASKED = "0-32767"
#: Where nodes listen: SSH, libvirt, the peer service, QEMU; corosync's links; and BMCs.
_NODES_TCP, _NODES_UDP = "{ 22, 16514, 16515, 49152-49215 }", "{ 623, 664, 5405-5412 }"


class Facts(NamedTuple):
    """What the filter knows of the cluster: JSON in /etc/drover/filter.json.

    ``nodes`` are the nodes' addresses, ``walled`` those of BMCs and storage servers, ``gateways`` others that no guest
    may pretend to be. ``own`` are ports of bridges that are no guest's though they are of the kinds that guests have,
    ``bridges`` the bridges of guests. ``open`` says what guests may reach all the same: protocol, port, and whose
    address it is at (``to``); without one it is every node's. Not ``enabled``, there is no filter.
    """

    enabled: bool = False

    nodes: tuple[str, ...] = ()
    walled: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    open: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Facts:
        """Raises ValueError for what is no such JSON."""
        raw = json.loads(text)
        lists = {name: tuple(raw.get(name, ())) for name in cls._fields if name != "enabled"}
        return cls(bool(raw.get("enabled")), **lists)


class Port(NamedTuple):
    """A guest's interface on its node: what may come in through it.

    ``addresses`` are without prefix; none means that any but those of the cluster may be used. ``firewall`` has lists
    of rules under ``in`` and ``out``, each as definitions have them; a list that is missing lets everything pass.
    """

    name: str
    mac: str
    bridge: str
    addresses: tuple[str, ...] = ()
    trusted: bool = False
    firewall: Mapping[str, Sequence[Mapping[str, Any]]] = {}


def ports_of(definition: Definition, also: Mapping[str, Iterable[str]] | None = None) -> list[Port]:
    """The interfaces of a guest. ``also`` has further addresses by MAC: those it runs with until it restarts.

    Raises ValueError for what no guest has.
    """
    found = []
    for nic in definition.get("nics", ()):
        if not (_MAC.fullmatch(nic["mac"]) and _NAME.fullmatch(nic["bridge"]) and _NAME.fullmatch(definition["name"])):
            raise ValueError(
                f"{definition['name']!r} has an interface {nic['mac']!r} on {nic['bridge']!r}, none of ours"
            )
        declared = [*nic["addresses"], *((also or {}).get(nic["mac"], ()) if nic["addresses"] else ())]
        found.append(
            Port(
                host_interface(definition["name"], nic["mac"]),
                nic["mac"],
                nic["bridge"],
                tuple(dict.fromkeys(str(ipaddress.ip_interface(address).ip) for address in declared)),
                bool(nic.get("trusted")),
                definition.get("firewall") or {},
            )
        )
    return found


def identifier(port: str) -> str:
    """An interface's name as a part of names in nftables, which have no hyphens."""
    return port.replace("-", "_").replace(".", "_")


def base(facts: Facts, scoped: bool = True) -> str:
    """The table without any guest; it takes the place of the one that is there.

    ``scoped`` limits it to the bridges of guests, so that those of others' containers are left alone; not every
    kernel can tell bridges.
    """
    nodes4, nodes6 = _by_family(facts.nodes)
    walled4, walled6 = _by_family(facts.walled)
    claimed4, claimed6 = _by_family((*facts.nodes, *facts.walled, *facts.gateways))
    open_tcp, open_udp = (_ports(facts, protocol) for protocol in ("tcp", "udp"))
    except4, except6 = _by_family_exceptions(facts)
    lines = [
        f"table {TABLE} {{",
        "map out { type ifname : verdict; }",
        "map in { type ifname : verdict; }",
        *(f"map {reason} {{ type ifname : counter; }}" for reason in REASONS),
        _set("own", "ifname", map(_quoted, facts.own)),
        _set("bridges", "ifname", map(_quoted, facts.bridges)),
        _set("nodes4", "ipv4_addr", nodes4),
        _set("nodes6", "ipv6_addr", nodes6),
        _set("walled4", "ipv4_addr", walled4),
        _set("walled6", "ipv6_addr", walled6),
        _set("claimed4", "ipv4_addr", claimed4),
        _set("claimed6", "ipv6_addr", claimed6),
        _set("open_tcp", "inet_service", open_tcp),
        _set("open_udp", "inet_service", open_udp),
        _set("except4", "ipv4_addr . inet_proto . inet_service", except4),
        _set("except6", "ipv6_addr . inet_proto . inet_service", except6),
        f"counter {STRAYS} {{ }}",
        *_chain("from_guests", _hook("prerouting", -150), *_gate("iif", "ibr", "out", scoped)),
        *_chain("to_guests", _hook("postrouting", 0), *_gate("oif", "obr", "in", scoped)),
        # Not bridged, but handed to the node itself: no other hook sees them.
        *_chain(
            "to_node",
            _hook("input", 0),
            f"{_LINK_CONSTRAINED} iifname != @own meta iifkind {_KINDS} counter name {STRAYS} drop",
        ),
        *_chain(
            "frames",
            f"{_LINK_CONSTRAINED} goto forbidden",
            "ether type { 8021q, 8021ad, 0x9100 } goto forbidden",
            "ether type != { ip, ip6, arp, 0x8035 } goto forbidden",
        ),
        # What only routers and servers say.
        *_chain(
            "clients",
            "udp sport { 67, 547 } goto forbidden",
            "icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } goto forbidden",
            "icmp type redirect goto forbidden",
            "igmp type membership-query goto forbidden",
            "ip6 daddr ff00::/8 exthdr frag exists goto forbidden",
        ),
        *_chain("unclaimed", *_unclaimed(claimed6)),
        *_chain("clear_of_nodes", *_clear_of_nodes()),
        *_chain("link_local", *_link_local()),
        # Answers to what they ask of guests themselves, and nothing else.
        *_chain(
            "to_walled",
            *_NO_FRAGMENTS,
            f"{_OPENS} goto protected",
            "meta l4proto != tcp goto protected",
        ),
        *_chain(
            "to_nodes",
            *_NO_FRAGMENTS,
            f"{_OPENS} tcp dport != @open_tcp goto protected",
            f"udp dport {_ASKED} udp dport != @open_udp goto protected",
            "meta l4proto != { tcp, udp, icmp, ipv6-icmp } goto protected",
        ),
    ]
    for reason in REASONS:
        side = "oifname" if reason == "firewall_in" else "iifname"
        lines += _chain(reason, f"counter name {side} map @{reason}", "drop")
    return "\n".join([f"add table {TABLE}", f"delete table {TABLE}", *lines, "}", ""])


def admitted(port: Port) -> str:
    """What is added for an interface, in place of what was added for it before."""
    name, chain = _quoted(port.name), identifier(port.name)
    lines = [f"add counter {TABLE} {reason}_{chain}" for reason in REASONS]
    lines += [f'add element {TABLE} {reason} {{ {name} : "{reason}_{chain}" }}' for reason in REASONS]
    for way, rules in (("out", _out(port)), ("in", incoming(port.firewall))):
        lines += [f"add chain {TABLE} {way}_{chain}", f"flush chain {TABLE} {way}_{chain}"]
        lines += [f"add rule {TABLE} {way}_{chain} {rule}" for rule in rules]
    lines.append(f"add element {TABLE} bridges {{ {_quoted(port.bridge)} }}")
    lines += [f"add element {TABLE} {way} {{ {name} : goto {way}_{chain} }}" for way in ("out", "in")]
    return "\n".join([*lines, ""])


def expelled(port: str) -> str:
    """What takes away all that was added for an interface, also when some of it is missing."""
    name, chain = _quoted(port), identifier(port)
    lines = []
    for way in ("out", "in"):
        lines += [
            f"add chain {TABLE} {way}_{chain}",
            f"add element {TABLE} {way} {{ {name} : goto {way}_{chain} }}",
            f"delete element {TABLE} {way} {{ {name} }}",
            f"flush chain {TABLE} {way}_{chain}",
            f"delete chain {TABLE} {way}_{chain}",
        ]
    for reason in REASONS:
        lines += [
            f"add counter {TABLE} {reason}_{chain}",
            f'add element {TABLE} {reason} {{ {name} : "{reason}_{chain}" }}',
            f"delete element {TABLE} {reason} {{ {name} }}",
            f"delete counter {TABLE} {reason}_{chain}",
        ]
    return "\n".join([*lines, ""])


# --- what a guest may send -------------------------------------------------------------------------------------


def _out(port: Port) -> Iterator[str]:
    if port.trusted:
        yield f"{_LINK_CONSTRAINED} goto forbidden"
    else:
        yield "jump frames"
        yield f"ether saddr != {port.mac} goto spoofed"
        yield "arp htype != 1 goto spoofed"
        yield "arp hlen != 6 goto spoofed"
        yield "arp plen != 4 goto spoofed"
        yield f"arp saddr ether != {port.mac} goto spoofed"
        yield from _own_addresses(port) if port.addresses else ("jump unclaimed",)
        yield "jump clients"
    yield "jump clear_of_nodes"
    yield from outgoing(port.firewall)


def _own_addresses(port: Port) -> Iterator[str]:
    """A guest uses its declared addresses, and IPv6 addresses that are made from its MAC."""
    own4, own6 = _by_family(port.addresses)
    # None yet: what asks whether an address is free, or for one.
    yield f"arp saddr ip != {_anonymous(['0.0.0.0', *own4])} goto spoofed"
    # Who asks whether another's address is free keeps that one from using it.
    yield f"arp saddr ip 0.0.0.0 arp daddr ip != {_anonymous(['0.0.0.0', *own4])} goto spoofed"
    yield f"ip saddr != {_anonymous(['0.0.0.0', *own4])} goto spoofed"
    yield "ip saddr 0.0.0.0 meta l4proto != { udp, igmp } goto spoofed"
    yield "ip saddr 0.0.0.0 udp dport != 67 goto spoofed"
    identity = _interface_identifier(port.mac)
    made = f"::{ipaddress.IPv6Address(identity).exploded[-19:]}"
    yield f"ip6 saddr != {_anonymous(['::', *own6])} ip6 saddr & ::ffff:ffff:ffff:ffff != {made} goto spoofed"
    yield "ip6 saddr :: meta l4proto != ipv6-icmp goto spoofed"
    yield (
        "ip6 saddr :: icmpv6 type != { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, "
        "mld-listener-done, mld2-listener-report } goto spoofed"
    )
    # The target of both messages is 8 bytes into them.
    others = " ".join(f"@th,64,128 != {int(ipaddress.IPv6Address(address)):#034x}" for address in own6)
    others = f"{others} @th,128,64 != {identity:#018x}".strip()
    yield f"ip6 saddr :: icmpv6 type nd-neighbor-solicit {others} goto spoofed"
    yield f"icmpv6 type nd-neighbor-advert {others} goto spoofed"


def _interface_identifier(mac: str) -> int:
    """The last half of the IPv6 addresses that a host makes itself from its MAC (RFC 4291, appendix A)."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([raw[0] ^ 2, *raw[1:3], 0xFF, 0xFE, *raw[3:]]), "big")


def _unclaimed(claimed6: Sequence[str]) -> Iterator[str]:
    """A guest without declared addresses may use any but those of nodes, BMCs, storage servers and gateways."""
    yield "arp saddr ip @claimed4 goto spoofed"
    yield "ip saddr @claimed4 goto spoofed"
    yield "ip6 saddr @claimed6 goto spoofed"
    for address in claimed6:
        number = int(ipaddress.IPv6Address(address))
        yield f"icmpv6 type nd-neighbor-advert @th,64,128 {number:#034x} goto spoofed"


def _clear_of_nodes() -> Iterator[str]:
    for version, walled in (("ip", "4"), ("ip6", "6")):
        yield f"{version} daddr . meta l4proto . th dport @except{walled} return"
        yield f"{version} daddr @walled{walled} jump to_walled"
        yield f"{version} daddr @nodes{walled} jump to_nodes"
    # Those who do not know whom to ask ask all.
    yield f"ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 udp dport {_NODES_UDP} goto protected"
    yield "ip6 daddr fe80::/10 jump link_local"


def _link_local() -> Iterator[str]:
    """Nobody knows whose a link-local address is, so that what nodes listen at is closed to all of them."""
    yield f"{_OPENS} tcp dport {_NODES_TCP} goto protected"
    yield f"udp dport {_NODES_UDP} goto protected"
    yield "exthdr frag exists goto protected"


# --- nftables' text --------------------------------------------------------------------------------------------


def _gate(side: str, bridge: str, way: str, scoped: bool) -> Iterator[str]:
    yield f"{side}name vmap @{way}"
    yield f"{side}name @own accept"
    if scoped:
        yield f"meta {bridge}name != @bridges accept"
    yield f"meta {side}kind {_KINDS} counter name {STRAYS} drop"


def _hook(name: str, priority: int) -> str:
    return f"type filter hook {name} priority {priority}; policy accept;"


def _chain(name: str, *rules: str) -> list[str]:
    return [f"chain {name} {{", *rules, "}"]


def _set(name: str, kind: str, elements: Iterable[str]) -> str:
    filled = ", ".join(dict.fromkeys(elements))
    ranges = " flags interval; auto-merge;" if kind.endswith("inet_service") and "-" in filled else ""
    return f"set {name} {{ type {kind};{ranges}{f' elements = {{ {filled} }}' if filled else ''} }}"


def _anonymous(elements: Iterable[str]) -> str:
    return f"{{ {', '.join(elements)} }}"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _by_family(addresses: Iterable[str]) -> tuple[list[str], list[str]]:
    """Addresses of IPv4 and of IPv6, each once, as the standard writes them. Raises ValueError."""
    found = list(dict.fromkeys(ipaddress.ip_address(address) for address in addresses))
    return tuple([str(one) for one in found if one.version == version] for version in (4, 6))  # type: ignore[return-value]


def _ports(facts: Facts, protocol: str) -> list[str]:
    return [str(one["port"]) for one in facts.open if one["protocol"] == protocol and not one.get("to")]


def _by_family_exceptions(facts: Facts) -> tuple[list[str], list[str]]:
    found: tuple[list[str], list[str]] = ([], [])
    for one in facts.open:
        if one.get("to"):
            address = ipaddress.ip_address(one["to"])
            found[address.version == 6].append(f"{address} . {one['protocol']} . {one['port']}")
    return found
