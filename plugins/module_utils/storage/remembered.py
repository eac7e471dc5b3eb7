# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The identity of each node's pools as the cluster remembers it, in an attribute of the node.

A directory that is not mounted looks like a new pool: empty, and without a mark. Only a memory elsewhere tells the two
apart. A node whose cluster does not run reads its own copy of the cluster's configuration.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.node_name import node_name

__all__ = ["ATTRIBUTE", "mistaken", "remembered", "settings"]

ATTRIBUTE = "drover-pools"
_COPY = Path("/var/lib/pacemaker/cib/cib.xml")


def settings(
    nodes: Mapping[str, Mapping[str, Any]], seen: Mapping[str, Mapping[str, str | None]]
) -> dict[str, dict[str, Any]]:
    """Settings of nodes for module cluster_config, with the pools that each has ``seen``: their identities by path.

    What was not seen is left as the cluster remembers it.
    """
    return {
        name: {**its, "attributes": {**its.get("attributes", {}), ATTRIBUTE: json.dumps(pools, sort_keys=True)}}
        if (pools := dict(seen.get(name) or {})) and all(pools.values())
        else dict(its)
        for name, its in nodes.items()
    }


def remembered() -> dict[str, str]:
    """The identities of this node's pools by path; none where nobody remembers any."""
    text = None
    try:
        text = Pacemaker().attribute(node_name(), ATTRIBUTE)
    except ClusterError:
        with suppress(OSError, ET.ParseError):
            there = f"configuration/nodes/node[@uname='{node_name()}']/instance_attributes/nvpair[@name='{ATTRIBUTE}']"
            found = ET.parse(_COPY).find(there)
            text = None if found is None else found.get("value")
    with suppress(ValueError, TypeError, AttributeError):
        return {str(path): str(identity) for path, identity in json.loads(text or "{}").items()}
    return {}


def mistaken(known: Mapping[str, str], found: Mapping[str, str | None], replaced: Collection[str] = ()) -> list[str]:
    """What is wrong with directories that are other pools than the cluster remembers at their paths.

    ``found`` are the marks in them, None where there is none. Those at ``replaced`` are others on purpose.
    """
    problems = []
    for path, mark in found.items():
        if path in known and path not in replaced and mark != known[path]:
            what = "is not mounted, or is empty" if mark is None else "is another storage than it was"
            problems.append(
                f"{path} {what}: the cluster remembers the pool {known[path]} there and this node finds "
                f"{mark or 'none'}. Nothing was written to it. Mount the storage and run this again, or leave the node "
                f"out (--limit '!{node_name()}'). If the storage was replaced on purpose: run site.yml with "
                f"""-e '{{"storage_replaced": ["{path}"]}}'"""
            )
    return problems
