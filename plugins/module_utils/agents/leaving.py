# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of the guests of a node that goes down, where they are to be shut down rather than moved live.

Pacemaker moves what can be moved, whoever asks; so the agent at the source stops the guest instead, and the one at the
target, where nothing arrives, starts it. That guests wait for their node is Pacemaker's own doing (``shutdown-lock``).
"""

from __future__ import annotations

from pathlib import Path

from ..cluster.pacemaker import ClusterError, Pacemaker

__all__ = ["POLICY", "goes_down", "stops_guests"]

#: The word of role cluster: migrate, stop or wait.
POLICY = Path("/etc/drover/node-shutdown")


def stops_guests(node: str, policy: Path = POLICY, cluster: Pacemaker | None = None) -> bool:
    """Whether the node is going down, and its guests are to be shut down and started elsewhere."""
    try:
        return policy.read_text(encoding="ascii").strip() == "stop" and goes_down(node, cluster)
    except OSError:
        return False


def goes_down(node: str, cluster: Pacemaker | None = None) -> bool:
    """Whether the node is going down. A guest that cannot move then would hold that up for ever."""
    try:
        return (cluster or Pacemaker()).goes_down(node)
    except ClusterError:
        return False
