# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Frames as they are on the wire, also those that no honest machine sends."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

__all__ = ["arp", "ether", "icmp6", "ip", "ip4", "ip6", "mac", "tcp", "udp"]

BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ether(source: str, kind: int, payload: bytes, to: str = BROADCAST, tag: int | None = None) -> bytes:
    """A frame, with a VLAN tag if told."""
    tagged = b"" if tag is None else struct.pack("!HH", 0x8100, tag)
    return (mac(to) + mac(source) + tagged + struct.pack("!H", kind) + payload).ljust(60, b"\0")


def arp(source: str, sender: str, target: str, *, says: str = "", answer: bool = False, to: str = BROADCAST) -> bytes:
    """An ARP request or answer; ``says`` is the MAC in it, when it is another than the frame's."""
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2 if answer else 1)
    body = mac(says or source) + IPv4Address(sender).packed + bytes(6) + IPv4Address(target).packed
    return ether(source, 0x0806, head + body, to)


def ip(source: str, sender: str, target: str, protocol: int, payload: bytes, **how: object) -> bytes:
    """A frame with an IP packet of either family."""
    make = ip4 if ip_address(sender).version == 4 else ip6
    kind = 0x0800 if make is ip4 else 0x86DD
    to, tag = str(how.pop("to", BROADCAST)), how.pop("tag", None)
    return ether(source, kind, make(sender, target, protocol, payload, **how), to, tag)  # type: ignore[arg-type]


def ip4(sender: str, target: str, protocol: int, payload: bytes, *, fragment: int = 0) -> bytes:
    """An IPv4 packet; ``fragment`` is the field of flags and offset."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0)
    head += IPv4Address(sender).packed + IPv4Address(target).packed
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + payload


def ip6(sender: str, target: str, protocol: int, payload: bytes, *, fragment: bool = False) -> bytes:
    """An IPv6 packet, as a first fragment if told."""
    if fragment:
        payload, protocol = struct.pack("!BBHI", protocol, 0, 1, 7) + payload, 44
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255)
    return head + IPv6Address(sender).packed + IPv6Address(target).packed + payload


def tcp(source: int, to: int, flags: int = 0x02) -> bytes:
    return struct.pack("!HHIIBBHHH", source, to, 1, 0, 5 << 4, flags, 1024, 0, 0)


def udp(source: int, to: int, payload: bytes = b"x") -> bytes:
    return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload


def icmp6(kind: int, about: str = "::", *, code: int = 0) -> bytes:
    """A message of neighbour discovery about an address, or any other."""
    return struct.pack("!BBHI", kind, code, 0, 0) + socket.inet_pton(socket.AF_INET6, about)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
