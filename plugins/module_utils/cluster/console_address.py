# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console's address: a resource that goes to a node whose console is healthy, and to another when it is not."""

from __future__ import annotations

import ipaddress

from ..core.errors import InvalidValue
from .objects import PREFIX, Constraint, Operation, Primitive, Where

__all__ = ["ATTRIBUTE", "IDS", "console_address"]

#: The attribute of a node whose console answers, and its value.
ATTRIBUTE, HEALTHY = "drover-console", "1"
_ADDRESS, _RULE = f"{PREFIX}console-address", f"{PREFIX}console-address-where"
#: Of the objects that are there only with an address.
IDS = frozenset({_ADDRESS, _RULE})


def console_address(address: str) -> tuple[Primitive, Constraint]:
    """The objects for an address with its prefix. Raises InvalidValue."""
    try:
        interface = ipaddress.ip_interface(address)
    except ValueError as error:
        raise InvalidValue(f"console_address {address}: {error}", remedy="Write it as 192.0.2.9/24.") from None
    if interface.network.prefixlen == interface.max_prefixlen:
        raise InvalidValue(
            f"console_address {address} has no prefix, and an address alone does not say on which interface it belongs",
            remedy=f"Write it with the prefix of its network, such as {interface.ip}/24.",
        )
    resource = Primitive(
        _ADDRESS,
        "ocf",
        "heartbeat",
        "IPaddr2",
        {"ip": str(interface.ip), "cidr_netmask": str(interface.network.prefixlen)},
        # Whoever looks for what is wrong needs it before the guests are back. It goes wherever the console works.
        {"priority": "1000", "migration-threshold": "0"},
        {},
        (
            Operation("monitor", "10s", "20s"),
            Operation("start", "0s", "20s"),
            Operation("stop", "0s", "20s"),
        ),
    )
    return resource, Where(_RULE, _ADDRESS, ATTRIBUTE, HEALTHY)
