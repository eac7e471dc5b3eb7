# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The members of the cluster: what the inventory says of nodes beside what the nodes' corosync knows of them.

A node is known by its name, its address and the number that follows from the address, and keeps all three while it is a
member: corosync must never see one number for two nodes, nor one node under two numbers. A node that is a member and
not in the inventory stays one, for a list without it would have it cut off and fenced, with its guests.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cluster.quorum import majority
from ..reporting.status import STRAY

__all__ = ["Membership", "judge"]

Member = Mapping[str, Any]


@dataclass(frozen=True)
class Membership:
    """Who is to be in corosync's list.

    ``members`` are [{name, id, links, address}]; ``host_keys`` the SSH host keys that nodes have on record, by name.
    ``strays`` are in the cluster and not in the inventory, ``joining`` the other way round. With any ``refusals``
    nothing may be touched.
    """

    members: Sequence[Member]
    host_keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    strays: Sequence[str] = ()
    joining: Sequence[str] = ()
    refusals: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "members": [dict(member) for member in self.members],
            "addresses": {member["name"]: member["address"] for member in self.members},
            "host_keys": {name: list(keys) for name, keys in self.host_keys.items()},
            "strays": list(self.strays),
            "joining": list(self.joining),
            "notes": [STRAY.format(node=name) for name in self.strays],
        }


def judge(
    inventory: Sequence[Member], seen: Mapping[str, Mapping[str, Any]], leaving: Collection[str] = ()
) -> Membership:
    """Compare the nodes of the inventory, [{name, id, links, address}], with what nodes know of the cluster.

    ``seen`` are the results of cspp.drover.membership_info by node. With ``leaving`` nobody joins, and those leave.
    """
    seen = {node: _of_a_cluster(one) for node, one in seen.items()}
    present = _known(seen)
    names = {member["name"] for member in inventory}
    refusals = [*_two_clusters(seen), *(why for member in inventory if (why := _refusal(member, present, names)))]
    strays = sorted(present.keys() - names)
    joining = [] if leaving else [member["name"] for member in inventory if member["name"] not in present]
    refusals += _too_many(joining, present, seen)
    if leaving:
        members = [member for name, member in present.items() if name not in leaving]
    else:
        members = [*inventory, *(present[name] for name in strays)]
    # Where a node stands in the inventory changes no file.
    members.sort(key=lambda member: (member["id"], member["name"]))
    host_keys: dict[str, Sequence[str]] = {}
    for one in seen.values():
        host_keys = {**one.get("host_keys", {}), **host_keys}
    return Membership(members, host_keys, [name for name in strays if name not in leaving], joining, refusals)


def _of_a_cluster(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a node knows, but for the list of Debian's package: one node at a loopback address.

    corosync runs with it from its installation until it is configured.
    """
    lists = {key: one.get(key, ()) for key in ("running", "file")}
    own = {key for key, its in lists.items() if all(_is_loopback(link) for node in its for link in node["links"])}
    left = {key: [] if key in own else list(its) for key, its in lists.items()}
    return {**one, **left, "quorate": bool(left["running"]) and one.get("quorate", False)}


def _is_loopback(link: str) -> bool:
    try:
        return ipaddress.ip_address(link).is_loopback
    except ValueError:
        return False  # a name


def _known(seen: Mapping[str, Mapping[str, Any]]) -> dict[str, Member]:
    """The members that the nodes know, by name.

    Nodes with quorum know best: one that was away for long may list nodes that have left since. Where corosync runs
    nowhere, its files tell.
    """
    running = [one for one in seen.values() if one.get("running")]
    best = [one["running"] for one in running if one.get("quorate")] or [one["running"] for one in running]
    lists = best or [one["file"] for one in seen.values() if one.get("file")]
    addresses = {name: address for one in seen.values() for name, address in one.get("addresses", {}).items()}
    found: dict[str, Member] = {}
    for members in lists:
        for member in members:
            name = member["name"]
            address = addresses.get(name) or member["links"][0]
            found.setdefault(name, {**member, "address": address})
    return found


def _refusal(member: Member, present: Mapping[str, Member], names: Collection[str]) -> str | None:
    """Why a node of the inventory cannot be what it is said to be there; None when it can."""
    name, address = member["name"], member["address"]
    before = present.get(name)
    if before is not None:
        if (before["id"], before["address"]) == (member["id"], address):
            return None
        return (
            f"{name} has the address {address} in the inventory, and {before['address']} in the cluster. A member "
            f"keeps its address. Give it the old one in the inventory, or to change it: playbooks/node_remove.yml -e "
            f"node={name} with the old address, then the new address on the node and in the inventory, then "
            "playbooks/site.yml"
        )
    for other in present.values():
        if other["name"] not in names and (other["id"] == member["id"] or other["address"] == address):
            return (
                f"{name} has the address of {other['name']} ({other['address']}), which is in the cluster and not "
                f"in the inventory. A member keeps its name. Call it {other['name']} in the inventory again, or to "
                f"rename it: playbooks/node_remove.yml -e node={other['name']} under the old name, then the new name "
                "in the inventory, then playbooks/site.yml"
            )
        if other["id"] == member["id"]:
            return (
                f"{name} ({address}) and {other['name']} ({other['address']}), which is in the cluster, would have the "
                f"number {member['id']} both, from the last 16 bits of their addresses: give {name} another address"
            )
    return None


def _too_many(
    joining: Sequence[str], present: Mapping[str, Member], seen: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    """What to say of more nodes at once than the members that are up can do without: each counts as soon as it is
    listed, and is there some seconds later."""
    up = sum(1 for one in seen.values() if one.get("quorate"))
    votes = len(present) + len(joining)
    needed = majority(votes)
    if joining and 0 < up < needed:
        most = next(more for more in range(len(joining), -1, -1) if more == 0 or up >= majority(len(present) + more))
        remedy = "Bring back the members that are away first"
        if most:
            remedy = f"Add {most} at most in one run: leave the others out of the inventory for now"
        yield (
            f"{', '.join(joining)} would join {len(present)} members, of which {up} are up. {up} of {votes} votes "
            f"are no quorum, {needed} are needed: the guests would be stopped until the new nodes are there. {remedy}"
        )


def _two_clusters(seen: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """What to say of nodes that each have quorum and do not list each other."""
    with_quorum = {
        node: {member["name"] for member in one["running"]}
        for node, one in sorted(seen.items())
        if one.get("running") and one.get("quorate")
    }
    for node, names in with_quorum.items():
        for other, others in with_quorum.items():
            if node < other and other not in names and node not in others:
                yield (
                    f"{node} and {other} are members of different clusters ({', '.join(sorted(names))}; "
                    f"{', '.join(sorted(others))}). A node joins without a cluster: take one of them "
                    "out of the inventory, or out of its cluster"
                )
                return
