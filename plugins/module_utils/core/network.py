# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses in one way of writing them, what an interface reaches by its own alone, and whom a mount is from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress

__all__ = ["plain", "reaches", "servers"]

#: What is before the path in the source of a network file system's mount: nas:/export, [fe80::1]:/x, //nas/share,
#: 10.0.0.1:6789,10.0.0.2:6789:/.
_SERVER = re.compile(r"(?://)?(\[[^]]+\]|[^:/,\[\]]+)(?::\d+)?(?=[:/,]|$)")


def plain(address: str) -> str:
    """An address as it is always written, of IPv4 also where it comes as one of IPv6; one that is none as it stands."""
    with suppress(ValueError):
        found = ipaddress.ip_address(address)
        return str((isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped) or found)
    return address


def reaches(addresses: Iterable[str], gateway: str) -> bool:
    """Whether an interface with these addresses (with prefix) reaches the gateway by the routes that they bring along.

    Every interface reaches a link-local one. For any other the system has to be told that it is on the wire.
    """
    its = ipaddress.ip_address(gateway)
    return its.is_link_local or any(its in ipaddress.ip_interface(address).network for address in addresses)


def servers(source: str) -> list[str]:
    """The names or addresses of the servers in the source of a mount; none for a device or a directory."""
    if ":" not in source and not source.startswith("//"):
        return []
    return [host.strip("[]") for host in _SERVER.findall(source)]
