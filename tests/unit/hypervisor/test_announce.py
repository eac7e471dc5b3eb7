# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The frames that announce a container, byte for byte."""

from __future__ import annotations

import socket
import struct

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.announce import frames

MAC = "52:54:00:aa:bb:cc"
HEX = "525400aabbcc"


def test_gratuitous_arp() -> None:
    (frame,) = frames(MAC, ["192.0.2.21/24"])
    address = "c0000215"
    arp = f"0001080006040001{HEX}{address}{'00' * 6}{address}"
    assert frame.hex() == f"{'ff' * 6}{HEX}0806{arp}".ljust(120, "0")


def test_an_interface_without_address_is_announced_by_reverse_arp() -> None:
    (frame,) = frames(MAC, [])
    rarp = f"0001080006040003{HEX}{'00' * 4}{HEX}{'00' * 4}"
    assert frame.hex() == f"{'ff' * 6}{HEX}8035{rarp}".ljust(120, "0")


def test_neighbour_advertisement() -> None:
    (frame,) = frames(MAC, ["2001:db8::21/64"])
    header, packet, message = frame[:14], frame[14:54], frame[54:]
    assert header.hex() == f"333300000001{HEX}86dd"
    assert packet.hex()[:16] == "6000000000203aff"
    source, target = packet[8:24], packet[24:40]
    assert (source, target) == (
        socket.inet_pton(socket.AF_INET6, "2001:db8::21"),
        socket.inet_pton(socket.AF_INET6, "ff02::1"),
    )
    assert (message[0], message[1], message[4:8].hex()) == (136, 0, "20000000")
    assert (message[8:24], message[24:].hex()) == (source, f"0201{HEX}")
    # RFC 1071: the sum over pseudo header and message, the checksum included, is all ones.
    words = struct.unpack("!36H", source + target + struct.pack("!II", 32, 58) + message)
    total = sum(words)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF


@pytest.mark.parametrize(
    ("addresses", "kinds"),
    [
        (["192.0.2.21/24", "2001:db8::21/64"], ["0806", "86dd"]),
        (["192.0.2.21/24", "192.0.2.22/24"], ["0806", "0806"]),
        ([], ["8035"]),
    ],
)
def test_every_address_is_announced(addresses: list[str], kinds: list[str]) -> None:
    assert [frame[12:14].hex() for frame in frames(MAC, addresses)] == kinds
