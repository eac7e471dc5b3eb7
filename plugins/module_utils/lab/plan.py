# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done to a lab: pure functions from what is there and what is wanted to a list of steps."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from .layout import Lab

__all__ = ["NetworkSeen", "NodesSeen", "Step", "network_steps", "nodes_steps"]


@dataclass(frozen=True)
class Step:
    """One change: a verb that its executor knows, and what to do it to."""

    verb: str
    subject: str

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


@dataclass(frozen=True)
class NetworkSeen:
    """The network of a lab as found: addresses with prefix length on its bridge (None: no bridge)."""

    addresses: Set[str] | None = None
    package_cache: bool = False
    package_cache_outdated: bool = False
    forwarder: bool = False
    cache_needed_by_others: bool = False
    strays: Set[str] = frozenset()

    @classmethod
    def addresses_of(cls, link: Mapping[str, Any] | None) -> Set[str] | None:
        """IPv4 addresses of a link as ``ip -json address`` shows it."""
        if link is None:
            return None
        return {f"{info['local']}/{info['prefixlen']}" for info in link["addr_info"] if info["family"] == "inet"}


def network_steps(lab: Lab, nodes: int, seen: NetworkSeen) -> list[Step]:
    """The steps to a network for ``nodes`` nodes; for none, to no network at all."""
    steps = [Step("delete link", stray) for stray in sorted(seen.strays)]
    if nodes == 0:
        if seen.forwarder:
            steps.append(Step("stop package forwarder", lab.gateway))
        if seen.package_cache and not seen.cache_needed_by_others:
            steps.append(Step("stop package cache", str(lab.package_cache)))
        if seen.addresses is not None:
            steps.append(Step("delete bridge", lab.bridge))
        return steps
    wanted = [f"{lab.gateway}/{lab.subnet.prefixlen}", *(f"{node.bmc_address}/32" for node in lab.nodes(nodes))]
    present = seen.addresses
    if present is None:
        steps.append(Step("create bridge", lab.bridge))
        present = frozenset()
    steps += [Step("add address", address) for address in wanted if address not in present]
    steps += [Step("remove address", address) for address in sorted(present - set(wanted))]
    if seen.package_cache_outdated:
        steps.append(Step("stop package cache", str(lab.package_cache)))
    if seen.package_cache_outdated or not seen.package_cache:
        steps.append(Step("start package cache", str(lab.package_cache)))
    if not seen.forwarder:
        steps.append(Step("start package forwarder", lab.gateway))
    return steps


@dataclass(frozen=True)
class NodesSeen:
    """The nodes of a lab as found, each a set of node indexes."""

    complete: Set[int] = frozenset()
    half_made: Set[int] = frozenset()
    powered: Set[int] = frozenset()
    with_bmc: Set[int] = frozenset()
    every: Set[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", self.complete | self.half_made | self.powered | self.with_bmc)


def nodes_steps(lab: Lab, nodes: int, seen: NodesSeen) -> list[Step]:
    """The steps to exactly ``nodes`` complete nodes, each with a BMC, each powered on."""
    wanted = {node.index for node in lab.nodes(nodes)}
    kept = wanted & seen.complete
    removed = seen.every - kept

    def step(verb: str, indexes: Set[int]) -> list[Step]:
        return [Step(verb, lab.node(index).name) for index in sorted(indexes)]

    return [
        *step("remove node", removed),
        *step("create node", wanted - kept),
        *step("start BMC of", wanted - (seen.with_bmc & kept)),
        *step("power on", wanted - (seen.powered & kept)),
    ]
