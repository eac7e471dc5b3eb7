# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node has on record of the other nodes' SSH host keys, as role node writes them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["host_keys"]


def host_keys(known_hosts: Sequence[str]) -> dict[str, list[str]]:
    """The host keys of nodes by name, of the lines of ssh_known_hosts2: ``NAME,ADDRESS TYPE KEY``."""
    found: dict[str, list[str]] = {}
    for line in known_hosts:
        names, _, key = line.partition(" ")
        if key and not names.startswith("#"):
            found.setdefault(names.partition(",")[0], []).append(key)
    return found
