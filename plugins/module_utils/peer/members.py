# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The members of the cluster as this node knows them at the moment: who is trusted, and from which addresses.

A member is who stands in corosync.conf. It asks from an address of its links, or from the one that /etc/hosts has for
its name. A node that is taken out of the list is nobody from then on, whatever certificates it holds.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ..cluster.corosync_conf import COROSYNC_CONF, from_file, links
from ..core.network import plain
from ..core.stamp import Stamp, stamp_of

__all__ = ["HOSTS", "Members", "addresses", "known"]

HOSTS = Path("/etc/hosts")
#: What role node keeps there.
_BLOCK = re.compile(r"^# BEGIN nodes of the cluster.*?$(.*?)^# END nodes of the cluster", re.DOTALL | re.MULTILINE)


class Members:
    """The members by two files, which are read again when one of them has changed."""

    def __init__(self, conf: Path = COROSYNC_CONF, hosts: Path = HOSTS) -> None:
        self._files = conf, hosts
        self._stamp: tuple[Stamp, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._places: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether a node of this name is a member."""
        self._refresh()
        return name in self._names

    def at(self, address: str) -> bool:
        """Whether a member may ask from this address."""
        self._refresh()
        return plain(address) in self._places

    def _refresh(self) -> None:
        stamp = tuple(_stamp(file) for file in self._files)
        if stamp == self._stamp:
            return
        conf, hosts = map(_read, self._files)
        members, own_names = links(from_file(conf)), addresses(hosts)
        places = [place for name, own in members.items() for place in (*own, own_names.get(name, ""))]
        self._names, self._places = frozenset(members), frozenset(plain(place) for place in places if place)
        self._stamp = stamp


def known() -> dict[str, str]:
    """Each node's address by its name, as this node has it."""
    return addresses(_read(HOSTS))


def addresses(hosts: str) -> dict[str, str]:
    """Each node's address by its name, from the text of /etc/hosts."""
    lines = [line.split() for block in _BLOCK.findall(hosts) for line in block.splitlines()]
    return {words[1]: words[0] for words in lines if len(words) == 2}


def _stamp(file: Path) -> Stamp:
    with suppress(OSError):
        return stamp_of(file)
    return None


def _read(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""
