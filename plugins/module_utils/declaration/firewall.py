# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest's firewall as declared: its keys, what their values may be, and what its definition gets of it.

Rules allow; a list that is there lets nothing else pass, and one that is not there lets everything. Groups are
firewalls with a name that guests share, sets are networks with a name: both are resolved here, so that a definition
says all there is to know.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from ..core import parse
from ..core.quoting import quoted
from .key import Key, Parts, Type
from .types import Cluster, Firewall, Incoming, Outgoing
from .values import choice, list_of

__all__ = ["FIREWALL", "joined", "network", "rules"]

_SET = re.compile(r"[a-z][a-z0-9_-]*")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_PROTOCOLS = ("any", "tcp", "udp", "icmp")


def network(value: object) -> str:
    """A parser of networks, and of addresses, which are networks of one."""
    text = parse.string(value)
    try:
        # A link-local address with a scope is one on a certain link of a certain machine.
        wider = None if "%" in text else ipaddress.ip_network(text, strict=False)
    except ValueError:
        wider = None
    if wider is None:
        raise ValueError(f"{quoted(text)} is no address or network such as 192.0.2.0/24")
    if "/" not in text or ipaddress.ip_interface(text).ip == wider.network_address:
        return str(wider)
    raise ValueError(f"{text} is an address in a network: write {wider}, or {text.partition('/')[0]}")


def _port(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        first = last = value
    else:
        found = _PORT.fullmatch(parse.string(value))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"{quoted(value)} is no port from 1 to 65535, nor a range such as 8000-8100")
    return str(first) if first == last else f"{first}-{last}"


def _peers(cluster: Cluster) -> Callable[[object], tuple[str, ...]]:
    """A parser of what stands for networks: one of them or the name of a set, or a list of those."""
    name_of_set = parse.member(cluster.firewall_sets, "a set in guests_firewall_sets")

    def one(value: object) -> Iterable[str]:
        text = parse.string(value)
        if not _SET.fullmatch(text):
            return [network(text)]
        return cluster.firewall_sets[name_of_set(text)]

    def several(value: object) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else parse.sequence(value)
        return tuple(dict.fromkeys(found for entry in values for found in one(entry)))

    return several


def _groups(cluster: Cluster) -> Callable[[object], tuple[str, ...]]:
    return parse.list_of(parse.member(cluster.firewall_groups, "a group in guests_firewall_groups"))


_PORT_SCHEMA = {"type": ["integer", "string"], "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$"}
PORT = Type("port or range of ports", _PORT_SCHEMA, lambda _cluster: _port)
_NAMES_SCHEMA = {"type": "array", "items": {"type": "string"}}
PEERS = Type("network or set, or list of them", {"anyOf": [{"type": "string"}, _NAMES_SCHEMA]}, _peers)
GROUPS = Type("list of groups", _NAMES_SCHEMA, _groups)


def _rule(way: str, peer: str, help_of_peer: str) -> tuple[Key, ...]:
    return (
        Key(
            f"firewall.{way}[].protocol",
            choice("a protocol", *_PROTOCOLS),
            "What is let pass; icmp is that of IPv6 as well.",
            "tcp",
            default="any",
        ),
        Key(
            f"firewall.{way}[].port",
            PORT,
            "The one port, or range of ports, of tcp or udp.",
            "443",
            default_words="all",
            spelling_of="ports",
        ),
        Key(
            f"firewall.{way}[].ports",
            list_of(PORT, "list of ports"),
            "The ports, when there are several.",
            "[80, 443, 8000-8100]",
            default=(),
            default_words="all",
        ),
        Key(f"firewall.{way}[].{peer}", PEERS, help_of_peer, "[192.0.2.0/24]", default_words="anybody"),
    )


FIREWALL = (
    Key(
        "firewall",
        Parts("Firewall", Firewall),
        "What may come to the guest and what it may send; without, everything.",
        "{in: [{protocol: tcp, port: 443}]}",
        default=Firewall(),
        default_words="open",
    ),
    Key(
        "firewall.in",
        Parts("What may come to a guest", Incoming, many=100),
        "All that may come to it, with what is judged by nobody: the rest of connections, answers, errors.",
        "[{protocol: tcp, port: 443}]",
        default_words="everything",
    ),
    *_rule("in", "from", "Who may send it: networks, addresses, names of guests_firewall_sets."),
    Key(
        "firewall.out",
        Parts("What a guest may send", Outgoing, many=100),
        "All that it may send, with what is judged by nobody: the rest of connections, answers, errors.",
        "[{protocol: udp, port: 53}]",
        default_words="everything",
    ),
    *_rule("out", "to", "Whom it may send it to: networks, addresses, names of guests_firewall_sets."),
    Key(
        "firewall.groups",
        GROUPS,
        "Firewalls in guests_firewall_groups whose rules hold besides.",
        "[]",
        default=(),
        default_words="none",
    ),
)


def joined(own: Firewall, groups: Iterable[Firewall]) -> Firewall:
    """A firewall, and others besides, as one. A list that none of them has is none."""
    every = [own, *groups]
    incoming = [one.in_ for one in every if one.in_ is not None]
    out = [one.out for one in every if one.out is not None]
    return Firewall(
        tuple(dict.fromkeys(chain.from_iterable(incoming))) if incoming else None,
        tuple(dict.fromkeys(chain.from_iterable(out))) if out else None,
        own.groups,
    )


def rules(firewall: Firewall) -> dict[str, list[dict[str, Any]]]:
    """What a guest's definition gets of its firewall: rules under ``in`` and ``out``."""
    found = {"in": firewall.in_, "out": firewall.out}
    return {way: [_written(rule) for rule in its] for way, its in found.items() if its is not None}


def _written(rule: Incoming | Outgoing) -> dict[str, Any]:
    peers = rule.from_ if isinstance(rule, Incoming) else rule.to
    written: dict[str, Any] = {"protocol": rule.protocol}
    if rule.ports:
        written["ports"] = list(rule.ports)
    return written if peers is None else {**written, "peers": list(peers)}
