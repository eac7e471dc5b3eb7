# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Members that the cluster loses while a node is at work with a guest.

Pacemaker begins with nothing new, not even with the fencing of a lost node, before its nodes are done with all that
they were told to do. So what ran on that node waits for the end of every move. Only if the lost node was the one that
decides it is otherwise: its successor knows of nothing that is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from xml.etree import ElementTree as ET

from .pacemaker import ClusterError, Pacemaker

__all__ = ["Losses"]

#: Who is no member any more, and was not expected to go. Older versions of Pacemaker write "false".
_LOST = "//node_state[@expected='member' and (@in_ccm='0' or @in_ccm='false')]"
#: Seconds between two looks, each of which costs some milliseconds.
_EVERY = 1.0


class Losses:
    """The members that are lost after the first look, and that are not fenced yet."""

    def __init__(self, cluster: Pacemaker | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._clock = cluster or Pacemaker(), clock
        self._next = clock()
        #: Ids of those for which nothing waits that began later: they were lost before, or decided.
        self._before: set[str] | None = None

    def look(self) -> str:
        """The name of one; empty for none, between two looks, and while the cluster does not answer."""
        if self._clock() < self._next:
            return ""
        try:
            lost = self._lost()
            if self._before is None:
                self._before = {*lost, self._cluster.coordinator()}
        except ClusterError:
            return ""
        finally:
            self._next = self._clock() + _EVERY
        return next((name for node, name in lost.items() if node not in self._before), "")

    def _lost(self) -> dict[str, str]:
        """Names of the members that are lost, by their ids."""
        found = self._cluster.extract(_LOST)
        states = ET.fromstring(found).iter("node_state") if found else ()
        return {state.get("id", ""): state.get("uname", "") for state in states}
