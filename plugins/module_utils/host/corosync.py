# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""corosync.conf beside what the running corosync has of it.

A reload reaches the nodes that the corosync which is told has for members: a node that is new to all of them is told
by none, and one that has just started knows no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["RELOADED", "differences", "from_cmap", "from_file"]

#: Settings beside the node list that a running corosync takes from a reload.
RELOADED = ("totem.token", "totem.token_coefficient")

_CMAP = re.compile(r"(?P<key>\S+) \(\w+\) = (?P<value>.*)")
_NODE = re.compile(r"nodelist\.node\.(?P<position>\d+)\.(?P<key>.+)")


def from_file(text: str) -> dict[str, str]:
    """The settings of a corosync.conf by the keys that corosync has for them: ``nodelist.node.0.ring0_addr``."""
    found: dict[str, str] = {}
    path: list[str] = []
    nodes = 0
    for line in map(str.strip, text.splitlines()):
        if line.endswith("{"):
            path.append(line[:-1].strip())
            if path == ["nodelist", "node"]:
                path[-1] = f"node.{nodes}"
                nodes += 1
        elif line == "}":
            path.pop()
        elif line and not line.startswith("#"):
            key, _, value = line.partition(":")
            found[".".join([*path, key.strip()])] = value.strip()
    return found


def from_cmap(text: str) -> dict[str, str]:
    """The same of the running corosync, from what corosync-cmapctl prints."""
    matches = map(_CMAP.fullmatch, text.splitlines())
    return {match["key"]: match["value"] for match in matches if match}


def differences(declared: Mapping[str, str], running: Mapping[str, str]) -> list[str]:
    """What a reload would change, in words. Where in the list a node stands makes no difference."""
    wanted, found = _nodes(declared), _nodes(running)
    lines = [f"{name} joins the list of nodes" for name in sorted(wanted.keys() - found.keys())]
    lines += [f"{name} leaves the list of nodes" for name in sorted(found.keys() - wanted.keys())]
    lines += [
        f"{name}: {found[name]} becomes {wanted[name]}"
        for name in sorted(wanted.keys() & found.keys())
        if wanted[name] != found[name]
    ]
    lines += [
        f"{key}: {running.get(key)} becomes {declared[key]}"
        for key in RELOADED
        if key in declared and declared[key] != running.get(key)
    ]
    return lines


def _nodes(settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The nodes by name."""
    found: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        match = _NODE.fullmatch(key)
        if match:
            found.setdefault(match["position"], {})[match["key"]] = value
    return {node.get("name", f"node {position}"): dict(sorted(node.items())) for position, node in found.items()}
