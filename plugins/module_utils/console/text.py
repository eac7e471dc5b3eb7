# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of the cluster as a table, for terminals, screen readers and whoever asks with curl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.quantities import format_size
from ..core.table import columns

__all__ = ["overview"]


def overview(look: Mapping[str, Any]) -> str:
    """What the steward's look tells: problems first, then nodes, guests, and what goes on."""
    return "\n".join(_lines(look)) + "\n"


def _lines(look: Mapping[str, Any]) -> Iterator[str]:
    cluster = look["cluster"]
    yield f"{cluster['name']}: {'with' if cluster['quorum'] else 'WITHOUT'} quorum, told by {cluster['served_by']}"
    for problem in look["problems"]:
        yield f"  {problem['severity']}: {problem['text']} {problem.get('remedy') or ''}".rstrip()
    yield ""
    nodes = [[node["name"], node["state"], str(node["guests"]), node["address"] or "-"] for node in look["nodes"]]
    yield from columns(["NODE", "STATE", "GUESTS", "ADDRESS"], nodes)
    yield ""
    guests = [
        [guest["name"], guest["kind"], guest["state"], guest["node"] or "-", format_size(guest["memory"])]
        for guest in look["guests"]
    ]
    yield from columns(["GUEST", "KIND", "STATE", "NODE", "MEMORY"], guests)
    going_on = [one for one in look["operations"] if one["state"] == "running"]
    if going_on:
        yield ""
        yield from columns(
            ["OPERATION", "VERB", "SUBJECT", "BY", "SINCE"],
            [[one["id"], one["verb"], one["subject"], one["by"], one["since"]] for one in going_on],
        )
