# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is possible, but may not be what the user thinks: sentences that a run tells and goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.parse import as_ip
from .types import Cluster, Guest

__all__ = ["advice"]


def advice(guests: Mapping[str, Guest], cluster: Cluster) -> Iterator[str]:
    """What is worth knowing of guests that are declared present, each by itself and beside the others."""
    for name, guest in guests.items():
        yield from _unstartable(name, guest)
        yield from _routes(name, guest)
    yield from _routers(guests)
    if cluster.expected_guests is not None and len(guests) > int(cluster.expected_guests):
        yield (
            f"{len(guests)} guests are declared, and Pacemaker was set up for {cluster.expected_guests}: with more, it "
            f"may stop to recover any. Set cluster_guests: {len(guests)} and run playbooks/site.yml"
        )
    for name, guest in guests.items():
        yield from _bound(name, guest, cluster)


def _unstartable(name: str, guest: Guest) -> Iterator[str]:
    if guest.kind == "vm" and guest.disks and guest.image is None and guest.disks[0].image is None:
        yield (
            f"{name} boots from {guest.disks[0].target}, which has no image: it is empty when made, and nothing "
            "will start from it"
        )


def _routes(name: str, guest: Guest) -> Iterator[str]:
    for version in (4, 6):
        ways = [
            f"nics[{index}]"
            for index, nic in enumerate(guest.nics)
            if any(as_ip(gateway).version == version for gateway in nic.gateways)
        ]
        if len(ways) > 1:
            yield f"{name} has an IPv{version} gateway on {' and on '.join(ways)}: it will only use one of them"


def _routers(guests: Mapping[str, Guest]) -> Iterator[str]:
    """Guests whose address is what others take for their gateway: right for a router, and for nothing else."""
    asked: dict[str, list[str]] = {}
    for name, guest in guests.items():
        for gateway in dict.fromkeys(gateway for nic in guest.nics for gateway in nic.gateways):
            asked.setdefault(gateway, []).append(name)
    for name, guest in guests.items():
        for address in (address.partition("/")[0] for nic in guest.nics for address in nic.addresses):
            if others := [other for other in asked.get(address, ()) if other != name]:
                more = f" and {len(others) - 1} more" if len(others) > 1 else ""
                yield f"{name} has the address {address}, which is the gateway of {others[0]}{more}: is it a router?"


def _bound(name: str, guest: Guest, cluster: Cluster) -> Iterator[str]:
    """What high availability cannot do."""
    pools = {disk.pool for disk in guest.disks} | ({guest.rootfs.pool} if guest.rootfs else {guest.seed_pool})
    local = sorted(pools.intersection(cluster.local_pools))
    if local and guest.ha:
        yield (
            f"{name} is on storage of one node's own (pool {', '.join(local)}): when that node is lost, it waits "
            "for its return"
        )
