# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The timing of a cluster as its inventory declares it, judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..cluster import timing as clusters
from ..cluster.timing_rules import Device, Problem, Site, problems, seconds
from ..core.errors import InvalidValue
from .sbd import watchdog_timeout

__all__ = ["timing"]


def timing(
    profile: str,
    own: Mapping[str, Any],
    *,
    hosts: Sequence[Mapping[str, Any]],
    members: Sequence[Mapping[str, Any]] = (),
    properties: Mapping[str, Any] | None = None,
    failure_timeout: str = "10min",
    arbiter: bool = False,
) -> dict[str, Any]:
    """The profile with the site's ``own`` values, as corosync.conf has them, and ``problems`` in words.

    ``hosts`` are the variables of each host, ``members`` corosync's nodes once they are settled (more than the
    inventory has, perhaps), ``properties`` the site's own cluster options. ``arbiter`` says that there is a quorum
    device.
    """
    hosts = list(hosts)
    links = max((len(node.get("cluster_links") or [1]) for node in hosts), default=1)
    nodes = len(members) or len(hosts)
    try:
        found = clusters.timing(profile, own, nodes=nodes, links=links)
        site = Site(
            found,
            {str(name): str(value) for name, value in (properties or {}).items() if value not in (None, "")},
            [_device(node) for node in hosts if (node.get("fencing_bmc") or {}).get("address")],
            watchdog_timeout(hosts),
            seconds("cluster_failure_timeout", failure_timeout),
            arbiter,
        )
        return {**asdict(found), "problems": _told(problems(site))}
    except InvalidValue as error:
        return {**asdict(clusters.timing("safe", {}, nodes=nodes, links=links)), "problems": [str(error)]}


def _told(found: Sequence[Problem]) -> list[str]:
    """Each problem once: what the power controllers of many nodes have in common is one."""
    first: dict[object, Problem] = {}
    for problem in found:
        first.setdefault((problem.code, problem.cures), problem)
    return [str(problem) for problem in first.values()]


def _device(node: Mapping[str, Any]) -> Device:
    options = node["fencing_bmc"].get("options") or {}
    return Device(str(node["inventory_hostname"]), {str(key): str(value) for key, value in options.items()})
