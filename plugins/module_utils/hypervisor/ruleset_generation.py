# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's count of changes to its nftables rule set, which tells whether anybody has changed anything.

Asked over netlink, for a monitor that comes every few seconds cannot start a program. Nothing is imported here that
costs more than a millisecond: what ``socket`` is made of, and not ``socket`` itself.
"""

from __future__ import annotations

import _socket
import struct

__all__ = ["KNOWN", "generation", "undisturbed"]

#: The generation that the node's packet filter was in order at, in decimal. There is none where there is no filter.
KNOWN = "/run/drover/filter/generation"

_AF_NETLINK, _NETLINK_NETFILTER = 16, 12
#: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN
_GET_GENERATION = 10 << 8 | 16
_REQUEST = 1
#: struct nlmsghdr, struct nfgenmsg, struct nlattr
_HEADER, _GENERIC, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
#: NFTA_GEN_ID
_ID = 1


def generation() -> int | None:
    """The rule set's generation in this network namespace; None where the kernel does not tell."""
    try:
        asked = _socket.socket(_AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    except OSError:
        return None
    try:
        asked.settimeout(1.0)
        length = _HEADER.size + _GENERIC.size
        asked.send(_HEADER.pack(length, _GET_GENERATION, _REQUEST, 1, 0) + _GENERIC.pack(0, 0, 0))
        answer = asked.recv(4096)
    except OSError:
        return None
    finally:
        asked.close()
    _length, kind, *_rest = _HEADER.unpack_from(answer)
    if kind >> 8 != 10:
        return None  # an error
    at = length
    while at + _ATTRIBUTE.size <= len(answer):
        size, name = _ATTRIBUTE.unpack_from(answer, at)
        if name == _ID:
            return int.from_bytes(answer[at + 4 : at + 8], "big")
        at += max(4, size + 3 & ~3)
    return None


def undisturbed() -> bool:
    """Whether nobody has changed the rule set since the packet filter was in order; true where there is no filter."""
    try:
        with open(KNOWN, "rb") as file:
            known = int(file.read())
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return generation() == known
