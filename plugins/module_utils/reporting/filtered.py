# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node's packet filter has dropped, in words."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["lines"]

_WORDS = {
    "spoofed": "from a MAC or an address that is not its own",
    "forbidden": "as routers, servers or switches send them",
    "protected": "to nodes, power controllers or storage servers",
    "firewall_out": "that its firewall does not let out",
    "firewall_in": "that its firewall does not let in",
}


def lines(node: str, dropped: Mapping[str, Mapping[str, int]], unknown: int = 0) -> list[str]:
    """A sentence for each guest of which something was dropped on a node, by reason, and one for ports of nobody."""
    found = []
    for guest, reasons in sorted(dropped.items()):
        those = ", ".join(f"{count} {_WORDS[reason]}" for reason, count in reasons.items())
        found.append(f"guest {guest} on {node}: packets dropped: {those}")
    if unknown:
        found.append(
            f"node {node}: {unknown} packets dropped at ports of bridges that are no guest's (see network_own_ports)"
        )
    return found
