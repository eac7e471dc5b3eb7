# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster options and defaults of resources that Drover sets in Pacemaker."""

from __future__ import annotations

from collections.abc import Mapping

from .fencing import DELAY

__all__ = ["RESOURCE_DEFAULTS", "cluster_properties"]

RESOURCE_DEFAULTS: Mapping[str, str] = {
    # A node where a start failed is tried again later: storage that was away must not keep guests down for good. A
    # migration that failed is blocked instead, which does not expire.
    "failure-timeout": "10min",
}


def cluster_properties(nodes: int, *, fenced: bool) -> dict[str, str]:
    """The cluster options of a Drover cluster of so many nodes. Set explicitly, for defaults have changed."""
    return {
        "stonith-enabled": "true" if fenced else "false",
        # Which fencing devices carry out as "off": what is meant to stay off, is asked for as "off" (fencing.py).
        "stonith-action": "reboot",
        # A watchdog that nobody set up must never count as fencing.
        "stonith-watchdog-timeout": "0",
        "concurrent-fencing": "true",
        # Two nodes that lose sight of each other would shoot at once: the one with the dearer guests first. Twice the
        # delay that decides between equal ones.
        "priority-fencing-delay": f"{2 * DELAY}s" if nodes == 2 else "0s",
        "no-quorum-policy": "stop",
        "placement-strategy": "balanced",
        "cluster-recheck-interval": "5min",
        # Where the load is high, Pacemaker would otherwise start one guest at a time, just when many have to start.
        "load-threshold": "0%",
    }
