# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's declared firewall as rules of nftables: what may come to it, and what it may send.

Without state. TCP is judged at the segment that opens a connection; the rest of a connection passes. An answer by UDP
is told by its ports: what comes to a port from which programs ask (32768 and above) passes, and what a guest sends from
a port at which it may be asked. Of ICMP errors and answers pass, and what IPv6 cannot do without. So nothing has to be
copied when a guest changes nodes, and nothing is lost with a node.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Firewall", "incoming", "outgoing"]

Firewall = Mapping[str, Sequence[Mapping[str, Any]]]

_PORTS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?")
#: The ports from which programs ask, and those at which they are asked.
_ASKING, _ASKED = "32768-65535", "0-32767"
#: Neighbours, routers, groups, errors and answers: IPv6 does not work without (RFC 4890, section 4.4).
_ICMPV6 = (
    "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-reply, nd-router-solicit, "
    "nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, "
    "mld-listener-done, mld2-listener-report }"
)
_ICMP = "{ destination-unreachable, time-exceeded, parameter-problem, echo-reply }"


def incoming(firewall: Firewall) -> Iterator[str]:
    """The rules for what comes to the guest; none when it says nothing of that."""
    if "in" not in firewall:
        return
    yield from _always()
    yield f"udp dport {_ASKING} accept"
    yield "udp sport { 67, 547 } udp dport { 68, 546 } accept"
    for rule in firewall["in"]:
        yield from _accepting(rule, "saddr", "dport")
    yield "goto firewall_in"


def outgoing(firewall: Firewall) -> Iterator[str]:
    """The rules for what the guest sends; none when it says nothing of that."""
    if "out" not in firewall:
        return
    yield from _always()
    yield "udp sport { 68, 546 } udp dport { 67, 547 } accept"
    if "in" in firewall:
        for rule in firewall["in"]:
            if rule["protocol"] in ("udp", "any"):
                yield from _accepting({**rule, "protocol": "udp"}, "daddr", "sport")
    else:
        yield f"udp sport {_ASKED} accept"
    for rule in firewall["out"]:
        yield from _accepting(rule, "daddr", "dport")
    yield "goto firewall_out"


def _always() -> Iterator[str]:
    yield "ether type != { ip, ip6 } accept"
    yield "tcp flags & (syn | ack) != syn accept"
    # What is not the first of a datagram has no ports, and is of no use without the first.
    yield "ip frag-off & 0x1fff != 0 accept"
    yield f"icmp type {_ICMP} accept"
    yield f"icmpv6 type {_ICMPV6} accept"
    yield "meta l4proto igmp accept"


def _accepting(rule: Mapping[str, Any], peer: str, port: str) -> Iterator[str]:
    """The rules that let pass what one rule of a definition allows, for each family of addresses."""
    match rule["protocol"]:
        case "tcp" | "udp" as protocol:
            ports = ", ".join(port for port in rule.get("ports", ()) if _PORTS.fullmatch(port))
            if rule.get("ports") and not ports:
                return
            what = f"{protocol} {port} {{ {ports} }}" if ports else f"meta l4proto {protocol}"
        case "icmp":
            what = "meta l4proto { icmp, ipv6-icmp }"
        case "any":
            what = ""
        case _:
            return  # of a version to come: what is not understood opens nothing
    if "peers" not in rule:
        yield f"{what} accept".strip()
    networks = [ipaddress.ip_network(one, strict=False) for one in rule.get("peers", ())]
    of_4 = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
    of_6 = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv6Network))
    for family, of_it in (("ip", list(of_4)), ("ip6", list(of_6))):
        if of_it:
            merged = ", ".join(map(str, of_it))
            yield f"{family} {peer} {{ {merged} }} {what} accept".replace("  ", " ")
