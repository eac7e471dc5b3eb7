# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proof that a node whose network was changed is still where it was: what it reached and carried before, it does after.

:func:`look` is for before the change; afterwards :func:`unreached` and :func:`detached` tell what is missing.
"""

from __future__ import annotations

import ipaddress
import json
import os
import selectors
import socket
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Sight", "detached", "look", "reachable", "unreached"]

LINKS = Path("/sys/class/net")
#: By version of IP: family, protocol, and the types of an echo's request and reply.
_ECHO = {
    4: (socket.AF_INET, socket.IPPROTO_ICMP, 8, 0),
    6: (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129),
}


@dataclass(frozen=True)
class Sight:
    """What a node saw of its network: the addresses that ``answered``, the bridges with a ``carrier``, and what was
    ``attached`` to each bridge."""

    answered: tuple[str, ...]
    carrier: tuple[str, ...]
    attached: dict[str, tuple[str, ...]]

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Sight:
        told = json.loads(text)
        attached = {bridge: tuple(links) for bridge, links in told["attached"].items()}
        return cls(tuple(told["answered"]), tuple(told["carrier"]), attached)


def look(peers: Iterable[str], bridges: Iterable[str], *, patience: float = 1.0) -> Sight:
    """What the node sees of these addresses and bridges now; bridges that are not there are passed over."""
    there = [bridge for bridge in bridges if (LINKS / bridge / "bridge").exists()]
    return Sight(
        tuple(sorted(reachable(peers, patience))),
        tuple(bridge for bridge in there if _has_carrier(bridge)),
        {bridge: tuple(sorted(link.name for link in LINKS.glob(f"{bridge}/brif/*"))) for bridge in there},
    )


def unreached(before: Sight, *, patience: float = 0.3) -> list[str]:
    """What answered before and does not now, for people."""
    lost = set(before.answered) - reachable(before.answered, patience)
    return [f"{', '.join(sorted(lost))} cannot be reached any more"] if lost else []


def detached(before: Sight, ports: Collection[str]) -> list[str]:
    """What bridges carried before and do not now, for people. ``ports`` are those that are declared, or were: they may
    come and go, and so may a guest."""
    lost = [
        f"{bridge} has no carrier any more"
        for bridge in before.carrier
        if (LINKS / bridge).exists() and not _has_carrier(bridge)
    ]
    for bridge, links in before.attached.items():
        gone = [
            link
            for link in links
            if link not in ports and (LINKS / link).exists() and not (LINKS / bridge / "brif" / link).exists()
        ]
        if gone:
            lost.append(f"{', '.join(gone)} is not attached to {bridge} any more")
    return lost


def reachable(addresses: Iterable[str], patience: float) -> set[str]:
    """Those of the addresses that answer an echo request within ``patience`` seconds, all asked at once."""
    asked = {its: address for address in addresses if (its := _ip(address))}
    found: set[str] = set()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        lines: dict[int, socket.socket] = {}
        for version, (family, protocol, _request, _reply) in _ECHO.items():
            if any(address.version == version for address in asked):
                lines[version] = stack.enter_context(socket.socket(family, socket.SOCK_RAW, protocol))
                lines[version].setblocking(False)
                selector.register(lines[version], selectors.EVENT_READ, version)
        for address in asked:
            # Where there is no way at all, the kernel says so.
            with suppress(OSError):
                lines[address.version].sendto(_echo(_ECHO[address.version][2]), (str(address), 0))
        end = time.monotonic() + patience
        while len(found) < len(asked) and (left := end - time.monotonic()) > 0:
            for key, _events in selector.select(left):
                packet, sender = lines[key.data].recvfrom(2048)
                # IPv4's raw sockets have the header, IPv6's have not.
                message = packet[(packet[0] & 15) * 4 :] if key.data == 4 else packet
                who = _ip(sender[0].partition("%")[0])
                if message[0] == _ECHO[key.data][3] and message[4:6] == _ours() and who in asked:
                    found.add(asked[who])
    return found


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; none for a name, which nobody could look up while the network is away."""
    with suppress(ValueError):
        return ipaddress.ip_address(address)
    return None


def _ours() -> bytes:
    return (os.getpid() & 0xFFFF).to_bytes(2, "big")


def _echo(kind: int) -> bytes:
    """An echo request with its checksum (RFC 1071), which the kernel makes anew for IPv6."""
    parts = bytes([kind, 0]), _ours() + bytes(2)
    total = sum(int.from_bytes(word[at : at + 2], "big") for word in parts for at in range(0, len(word), 2))
    folded = (total & 0xFFFF) + (total >> 16)
    return parts[0] + (~folded & 0xFFFF).to_bytes(2, "big") + parts[1]


def _has_carrier(bridge: str) -> bool:
    try:
        return (LINKS / bridge / "carrier").read_text().strip() == "1"
    except OSError:  # it is down
        return False
