# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node has on record of the other nodes: their addresses in /etc/hosts and their SSH host keys, as role node
writes them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["addresses", "host_keys"]

#: Around the block that role node keeps in /etc/hosts.
_BEGIN, _END = "# BEGIN nodes of the cluster, kept by Drover", "# END nodes of the cluster, kept by Drover"


def addresses(hosts: Sequence[str]) -> dict[str, str]:
    """The addresses of nodes by name, of the lines of /etc/hosts."""
    found: dict[str, str] = {}
    within = False
    for line in hosts:
        if line.strip() in (_BEGIN, _END):
            within = line.strip() == _BEGIN
        elif within and len(words := line.split()) == 2:
            found[words[1]] = words[0]
    return found


def host_keys(known_hosts: Sequence[str]) -> dict[str, list[str]]:
    """The host keys of nodes by name, of the lines of ssh_known_hosts2: ``NAME,ADDRESS TYPE KEY``."""
    found: dict[str, list[str]] = {}
    for line in known_hosts:
        names, _, key = line.partition(" ")
        if key and not names.startswith("#"):
            found.setdefault(names.partition(",")[0], []).append(key)
    return found
