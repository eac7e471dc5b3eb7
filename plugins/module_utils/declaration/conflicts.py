# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests cannot have because somebody else has it: names, addresses, identities, names of interfaces on nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.network import plain
from ..guest.definition import host_interface
from .types import Cluster, Guest
from .values import GUEST_NAME

__all__ = ["conflicts", "name_problems"]

#: Names that mean something else to Ansible, and `all` to guests_allow_restart as well.
_RESERVED = ("all", "localhost")
_LINK_LOCAL = ("fe8", "fe9", "fea", "feb")


def name_problems(name: str, cluster: Cluster) -> Iterator[str]:
    """What is wrong with a guest's name."""
    if not GUEST_NAME.fullmatch(name):
        yield "a guest's name is a host name: lower-case letters, digits and dashes, at most 63, a letter first"
    if name.startswith("drover-"):
        yield "names that start with drover- are kept for Drover's own objects in the cluster"
    if name in _RESERVED:
        yield f"{name} is a word of Ansible's: give the guest another name"
    if name in cluster.nodes:
        yield "is the name of a node"


def conflicts(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """What two guests cannot both have, as (guest, path within it, message)."""
    addresses = _taken(cluster)
    uuids: dict[str, str] = {}
    macs: dict[str, str] = {}
    interfaces: dict[str, str] = {}
    for name, guest in guests.items():
        if guest.uuid in uuids:
            yield name, "uuid", f"{guest.uuid} is also that of {uuids[guest.uuid]}"
        elif guest.uuid:
            uuids[guest.uuid] = f"guests.{name}"
        for index, nic in enumerate(guest.nics):
            at = f"nics[{index}]"
            path = f"guests.{name}.{at}"
            interface = host_interface(name, nic.mac)
            if (first := macs.setdefault(nic.mac, path)) != path:
                yield name, f"{at}.mac", f"{nic.mac} is also that of {first}"
            elif (first := interfaces.setdefault(interface, path)) != path:
                yield (
                    name,
                    f"{at}.mac",
                    f"its interface on the node would be called {interface}, like that of {first}: give a mac with "
                    "another ending",
                )
            for address in nic.addresses:
                ip = address.partition("/")[0]
                # A link-local address is one of its link.
                place = f"{ip} {nic.bridge} {nic.vlan}" if ip.startswith(_LINK_LOCAL) else ip
                if (owner := addresses.setdefault(place, path)) != path:
                    yield name, f"{at}.address", f"{ip} is also the address of {owner}"


def _taken(cluster: Cluster) -> dict[str, str]:
    """Addresses that are no guest's, in the one way of writing them, and whose they are."""
    return {plain(address.partition("%")[0]): owner for address, owner in cluster.taken.items()}
