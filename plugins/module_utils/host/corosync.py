# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""corosync.conf beside what the running corosync has of it.

A reload reaches the nodes that the corosync which is told has for members: a node that is new to all of them is told
by none, and one that has just started knows no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..cluster.corosync_conf import NODE

__all__ = ["RELOADED", "differences", "from_cmap", "members"]

#: Settings beside the node list that a running corosync takes from a reload.
RELOADED = ("totem.token", "totem.token_coefficient", "totem.consensus")
#: The same of a link.
_LINK_TIMERS = re.compile(r"totem\.interface\.\d+\.knet_ping_(interval|timeout)")
#: What comes and goes with a quorum device.
_QUORUM = re.compile(r"quorum\.(device\.|two_node$)")

_CMAP = re.compile(r"(?P<key>\S+) \(\w+\) = (?P<value>.*)")
_LINK = re.compile(r"ring\d_addr")


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
        for key in declared
        if (key in RELOADED or _LINK_TIMERS.fullmatch(key)) and declared[key] != running.get(key)
    ]
    quorum = sorted({key for its in (declared, running) for key in its if _QUORUM.match(key)})
    if any(key.startswith("quorum.device.") for key in quorum):
        lines += [
            f"{key}: {running.get(key)} becomes {declared.get(key)}"
            for key in quorum
            if declared.get(key) != running.get(key)
        ]
    return lines


def members(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """The node list as [{name, id, links}], in the order of the names."""
    return [
        {
            "name": name,
            "id": int(node.get("nodeid", 0)),
            "links": [value for key, value in sorted(node.items()) if _LINK.fullmatch(key)],
        }
        for name, node in sorted(_nodes(settings).items())
    ]


def _nodes(settings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The nodes by name."""
    found: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        match = NODE.fullmatch(key)
        if match:
            found.setdefault(match["position"], {})[match["key"]] = value
    return {node.get("name", f"node {position}"): dict(sorted(node.items())) for position, node in found.items()}
