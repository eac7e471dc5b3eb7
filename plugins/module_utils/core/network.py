# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IP networks: what an interface reaches by its addresses alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

__all__ = ["reaches"]


def reaches(addresses: Iterable[str], gateway: str) -> bool:
    """Whether an interface with these addresses (with prefix) reaches the gateway by the routes that they bring along.

    Every interface reaches a link-local one. For any other the system has to be told that it is on the wire.
    """
    its = ipaddress.ip_address(gateway)
    return its.is_link_local or any(its in ipaddress.ip_interface(address).network for address in addresses)
