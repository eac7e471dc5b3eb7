# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A program for a lab's node: do broadcasts reach a guest, and do its answers come back?

Broadcasts a hundred ARP requests a second for an address, each from another address that nobody has, until its input
ends. Says "begun", and in the end as JSON how many it ``sent``, how many were ``lost`` and how many answered ``twice``
or more.
"""

import json
import select
import socket
import struct
import sys
import time
from collections import Counter
from typing import Any, TextIO

_ARP = 0x0806
_HEADER, _REQUEST, _REPLY = struct.Struct("!HHBBH"), 1, 2
#: 198.18.0.0/16 is for measurements (RFC 2544). The last two bytes are the request's number.
_MEASURING = b"\xc6\x12"
_INTERVAL, _AFTERWARDS = 0.01, 1.0


def main(port: str, address: str) -> None:
    """Ask on an interface for an address."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
    wire.bind((port, _ARP))
    mac, asked = wire.getsockname()[4], socket.inet_aton(address)
    answers: Counter[int] = Counter()
    sent = 0

    def hear(until: float, *others: TextIO) -> bool:
        """Count answers; True as soon as one of the others has something to say."""
        while (left := until - time.monotonic()) > 0:
            awaited: list[Any] = [wire, *others]
            ready = select.select(awaited, [], [], left)[0]
            if wire in ready:
                number = _answered(wire.recv(2000), asked)
                answers.update([] if number is None else [number])
            if set(ready) - {wire}:
                return True
        return False

    ended = False
    while not ended:
        sent += 1
        sender, target = mac + _MEASURING + struct.pack("!H", sent), bytes(6) + asked
        wire.send(
            b"\xff" * 6 + mac + struct.pack("!H", _ARP) + _HEADER.pack(1, 0x0800, 6, 4, _REQUEST) + sender + target
        )
        if sent == 1:
            print("begun", flush=True)
        ended = hear(time.monotonic() + _INTERVAL, sys.stdin)
    hear(time.monotonic() + _AFTERWARDS)
    twice = sum(count > 1 for count in answers.values())
    print(json.dumps({"sent": sent, "lost": sent - len(answers), "twice": twice}))


def _answered(frame: bytes, asked: bytes) -> int | None:
    """The number of the request that a frame answers, if it is such an answer."""
    arp = frame[14:42]
    if len(arp) < 28 or _HEADER.unpack_from(arp)[4] != _REPLY or arp[14:18] != asked or arp[24:26] != _MEASURING:
        return None
    return int.from_bytes(arp[26:28], "big")


if __name__ == "__main__":
    main(*sys.argv[1:])
