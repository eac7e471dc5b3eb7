# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files by which a node knows the members of its cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["conf", "hosts"]


def conf(nodes: Mapping[str, Sequence[str]]) -> str:
    """A corosync.conf: each member's links."""
    lines = ["totem {", "    version: 2", "    interface {", "        linknumber: 0", "    }", "}", "nodelist {"]
    for number, (name, links) in enumerate(nodes.items(), 1):
        lines += ["    node {", f"        name: {name}", f"        nodeid: {number}"]
        lines += [f"        ring{link}_addr: {address}" for link, address in enumerate(links)]
        lines.append("    }")
    return "\n".join([*lines, "}", ""])


def hosts(nodes: Mapping[str, str]) -> str:
    """An /etc/hosts: each node's address, and Debian's own lines around them."""
    lines = [f"{address} {name}" for name, address in nodes.items()]
    begin, end = (f"# {word} nodes of the cluster, kept by Drover" for word in ("BEGIN", "END"))
    return "\n".join([begin, *lines, end, "127.0.0.1 localhost", "127.0.1.1 node1", "10.9.9.9 nas", ""])
