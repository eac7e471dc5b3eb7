# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The quorum device of a cluster as its inventory declares it: a host outside of the cluster that votes with one half.

Two halves of a cluster that lose sight of each other are alike; of two nodes, neither can tell the other's death from
its own loneliness. The device gives its one vote to one of them (corosync-qnetd(8), algorithm ffsplit). A cluster of an
odd number decides by itself, and would only lose by another vote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .nodes import addresses

__all__ = ["quorum_device"]

Host = Mapping[str, Any]


def quorum_device(nodes: Sequence[Host], hosts: Sequence[Host], members: Sequence[Host] = ()) -> dict[str, Any]:
    """Where the device is, whether it has a vote, and what is wrong with it.

    ``nodes`` are the variables of each node, ``hosts`` those of group qnetd, ``members`` corosync's nodes once they are
    settled. Returns ``host`` and ``address`` (empty without a device), ``votes`` (whether the cluster is to use it),
    ``problems`` that forbid going on, and ``notes``.
    """
    nodes, hosts = list(nodes), list(hosts)
    problems = list(_problems(nodes, hosts))
    size = len(members) or len(nodes)
    found = {"host": "", "address": "", "votes": False, "problems": problems, "notes": []}
    if not hosts or problems:
        return found
    [(name, address)] = addresses(hosts).items()
    even = size % 2 == 0
    notes = [] if even else [_odd(name, size)]
    place = {"host": name, "address": str(hosts[0].get("qnetd_address") or address)}
    return {**found, **place, "votes": even, "notes": notes}


def _problems(nodes: Sequence[Host], hosts: Sequence[Host]) -> Iterator[str]:
    if len(hosts) > 1:
        names = ", ".join(str(host["inventory_hostname"]) for host in hosts)
        yield f"group qnetd has {len(hosts)} hosts ({names}), and a cluster takes one quorum device: leave one in it"
    members = {name: address for name, address in addresses(nodes).items() if address}
    for name, address in addresses(hosts).items():
        if name in addresses(nodes):
            yield (
                f"{name} is in group qnetd and is a node: the device would be lost with the node that it is to judge. "
                "Take a machine outside of the cluster, a small one will do"
            )
            continue
        own = next((str(host["qnetd_address"]) for host in hosts if host.get("qnetd_address")), address)
        if not own:
            yield f"{name} in group qnetd has no address: set qnetd_address or ansible_host to what nodes reach it by"
        for node, its in members.items():
            if own == its:
                yield f"{name} in group qnetd has the address of {node} ({its}): name a machine outside of the cluster"


def _odd(name: str, size: int) -> str:
    return (
        f"the cluster has {size} members, an odd number, which decides by itself: the quorum device on {name} has no "
        "vote until the number is even"
    )
