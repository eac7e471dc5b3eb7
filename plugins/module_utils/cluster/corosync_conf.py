# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""corosync.conf as a node has it: its settings, and who the members of the cluster are by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["COROSYNC_CONF", "NODE", "from_file", "links"]

COROSYNC_CONF = Path("/etc/corosync/corosync.conf")
#: A setting of a node, by the keys that corosync has.
NODE = re.compile(r"nodelist\.node\.(?P<position>\d+)\.(?P<key>.+)")
_LINK = re.compile(r"ring\d+_addr")


def from_file(text: str) -> dict[str, str]:
    """The settings of a corosync.conf by the keys that corosync has for them: ``nodelist.node.0.ring0_addr``."""
    found: dict[str, str] = {}
    path: list[str] = []
    counted = {"node": 0, "interface": 0}
    for line in map(str.strip, text.splitlines()):
        if line.endswith("{"):
            path.append(line[:-1].strip())
            if path in (["nodelist", "node"], ["totem", "interface"]):
                what = path[-1]
                path[-1] = f"{what}.{counted[what]}"
                counted[what] += 1
        elif line == "}":
            path[-1:] = []
        elif line and not line.startswith("#"):
            key, _, value = line.partition(":")
            found[".".join([*path, key.strip()])] = value.strip()
    return found


def links(settings: Mapping[str, str]) -> dict[str, list[str]]:
    """The addresses of each member's links, by its name."""
    nodes: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        if match := NODE.fullmatch(key):
            nodes.setdefault(match["position"], {})[match["key"]] = value
    return {
        node["name"]: [value for key, value in sorted(node.items()) if _LINK.fullmatch(key)]
        for node in nodes.values()
        if "name" in node
    }
