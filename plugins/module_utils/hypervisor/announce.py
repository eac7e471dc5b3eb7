# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling the network where a container is now.

Until somebody hears from a container at its new place, switches send its packets to the old one. So its first
frames are sent for it: gratuitous ARP (RFC 5227, section 3), unsolicited neighbour advertisements (RFC 4861,
section 7.2.6), and for an interface without address the reverse ARP that QEMU sends after a migration.

They leave through the container's own interface, which the node can reach whatever runs inside: the bridge
learns the right port from them, and a VLAN is put on as on all its frames.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_interface
from pathlib import Path
from typing import Any

__all__ = ["advertisement", "announce", "frames", "gratuitous_arp", "reverse_arp"]

_CLONE_NEWNET = 0x40000000
_BROADCAST = b"\xff" * 6
_ALL_NODES = IPv6Address("ff02::1")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ETHERTYPES = {"arp": 0x0806, "rarp": 0x8035, "ipv6": 0x86DD}
#: Seconds before each round of frames: one can be lost while ports come up.
_ROUNDS = (0.0, 0.05, 0.2)


def announce(
    pid: int,
    nics: Sequence[Mapping[str, Any]],
    rounds: Sequence[float] = _ROUNDS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Announce the addresses of the container whose init is ``pid`` on each of a definition's ``nics``.

    Raises OSError when the container or one of its interfaces is gone.
    """
    outlets = []
    try:
        with _network_of(pid):
            for nic in nics:
                outlet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                outlet.bind((nic["name"], 0))
                outlets.append((outlet, frames(nic["mac"], nic["addresses"])))
        for pause in rounds:
            sleep(pause)
            for outlet, all_frames in outlets:
                for frame in all_frames:
                    outlet.send(frame)
    finally:
        for outlet, _frames in outlets:
            outlet.close()


def frames(mac: str, addresses: Sequence[str]) -> list[bytes]:
    """The frames that announce an interface with these addresses (``10.0.0.20/24``)."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    built = []
    for address in addresses:
        ip = ip_interface(address).ip
        built.append(gratuitous_arp(hardware, ip) if isinstance(ip, IPv4Address) else advertisement(hardware, ip))
    return built or [reverse_arp(hardware)]


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """An ARP announcement: a request for the sender's own address."""
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address.packed + bytes(6) + address.packed
    return _ethernet(_BROADCAST, mac, "arp", arp)


def reverse_arp(mac: bytes) -> bytes:
    """A reverse ARP request, which says nothing but where ``mac`` is."""
    rarp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 3) + mac + bytes(4) + mac + bytes(4)
    return _ethernet(_BROADCAST, mac, "rarp", rarp)


def advertisement(mac: bytes, address: IPv6Address) -> bytes:
    """An unsolicited neighbour advertisement to all nodes, with the override flag."""
    override = 0x20000000
    option = struct.pack("!BB", 2, 1) + mac
    # Type 136, code 0, and room for the checksum, which covers a pseudo header too (RFC 4443, section 2.3).
    message = struct.pack("!BBHI", 136, 0, 0, override) + address.packed + option
    pseudo = address.packed + _ALL_NODES.packed + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255)
    return _ethernet(_ALL_NODES_MAC, mac, "ipv6", header + address.packed + _ALL_NODES.packed + message)


def _ethernet(destination: bytes, source: bytes, kind: str, payload: bytes) -> bytes:
    frame = destination + source + struct.pack("!H", _ETHERTYPES[kind]) + payload
    return frame.ljust(60, b"\0")  # the shortest that Ethernet allows


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@contextmanager
def _network_of(pid: int) -> Iterator[None]:
    """This thread in the network namespace of another process."""
    with Path("/proc/thread-self/ns/net").open("rb") as home, Path(f"/proc/{pid}/ns/net").open("rb") as away:
        _enter(away.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(namespace: int) -> None:
    # os.setns came with Python 3.12
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"cannot enter the container's network: {os.strerror(error)}")
