# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The capacity of nodes: how much memory and how many vcpus each has for guests, and how much of that is left."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.errors import InvalidValue
from .cib import Configuration
from .status import ClusterStatus

__all__ = ["Room", "capacity", "free"]

#: Memory in MiB and vcpus, by name of resource.
Room = Mapping[str, int]


def capacity(live: Configuration) -> dict[str, dict[str, int]]:
    """What each node can hold."""
    return {
        name: {key: _number(name, key, value) for key, value in node.utilization.items() if value is not None}
        for name, node in live.nodes.items()
    }


def free(live: Configuration, status: ClusterStatus) -> dict[str, dict[str, int]]:
    """What is left of each node's capacity. A guest on its way between two nodes counts on both."""
    left = capacity(live)
    places = {resource.name: resource.nodes for resource in status.resources}
    for name, primitive in live.guests().items():
        for node in places.get(name, ()):
            for key, value in primitive.utilization.items():
                left.setdefault(node, {})[key] = left.get(node, {}).get(key, 0) - _number(name, key, value)
    return left


def _number(name: str, key: str, value: str) -> int:
    """One value of a utilization. Drover writes whole numbers; by hand anything can be put there."""
    try:
        return int(value)
    except ValueError:
        raise InvalidValue(
            f"the cluster has {key}={value} as the utilization of {name}, which is no whole number",
            remedy="Remove it (crm_attribute --utilization, for a guest crm_resource --utilization); site.yml "
            "and guests.yml set it anew.",
        ) from None
