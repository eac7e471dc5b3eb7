# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a guest that fails while it runs: started again on the spot, then on another node, then left down.

Pacemaker counts a guest's failures by node, starts it again where it is until there are as many as its
``migration-threshold``, and then on a node without so many. Left alone it would go on like that through all nodes, and
begin anew as soon as the counts are forgotten (``failure-timeout`` after the last failure). So the agent that finds a
guest ended looks how far it has come, and has it stopped once that was far enough (agents/giving_up.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

__all__ = ["MAX_RELOCATE", "USUAL", "Failures", "Recovery", "failures_of", "gives_up"]

#: The meta attribute that says how often a guest that fails is started on another node.
MAX_RELOCATE = "drover-max-relocate"
#: What Pacemaker counts a failed start as.
_INFINITY = 1_000_000
#: The operations that fail when a guest ends that ran: its monitor, or what its node's watcher told of it.
_RUNNING = ("monitor", "asyncmon")
_COUNT = re.compile(r"fail-count-(?P<guest>[^#]+)#(?P<operation>\w+)_(?P<interval>\d+)")


@dataclass(frozen=True)
class Recovery:
    """How often a guest that fails is started again where it was, and after that on another node."""

    max_restart: int = 3
    max_relocate: int = 1

    def meta(self) -> dict[str, str]:
        """As meta attributes of the guest's resource."""
        return {"migration-threshold": str(self.max_restart + 1), MAX_RELOCATE: str(self.max_relocate)}

    @classmethod
    def of(cls, meta: Mapping[str, str]) -> Recovery | None:
        """From a resource's meta attributes; None for a guest of a Drover that knew of no limits."""
        try:
            return cls(int(meta["migration-threshold"]) - 1, int(meta[MAX_RELOCATE]))
        except (KeyError, ValueError):
            return None


#: For a guest whose YAML says nothing of it.
USUAL = Recovery()


@dataclass(frozen=True)
class Failures:
    """How often a guest has failed on a node while it ran, and whether it could not be started there."""

    running: int = 0
    not_started: bool = False


def failures_of(cib: ET.Element) -> dict[str, dict[str, Failures]]:
    """What Pacemaker has counted and not yet forgotten, by guest and node, from a whole CIB."""
    found: dict[str, dict[str, Failures]] = {}
    for state in cib.iterfind("status/node_state"):
        node = state.get("uname", "")
        for pair in state.iterfind("transient_attributes/instance_attributes/nvpair"):
            match = _COUNT.fullmatch(pair.get("name", ""))
            if match is None:
                continue
            value = pair.get("value", "0")
            count = _INFINITY if value == "INFINITY" else int(value)
            by_node = found.setdefault(match["guest"], {})
            before = by_node.get(node, Failures())
            if match["operation"] in _RUNNING:
                by_node[node] = Failures(before.running + count, before.not_started)
            else:
                by_node[node] = Failures(before.running, before.not_started or count > 0)
    return found


def gives_up(recovery: Recovery, counted: Mapping[str, Failures], here: str) -> bool:
    """Whether a guest that has just failed ``here`` was started again often enough. This failure is not counted yet."""
    if counted.get(here, Failures()).running < recovery.max_restart:
        return False
    relocated = sum(failures.running > recovery.max_restart for node, failures in counted.items() if node != here)
    return relocated >= recovery.max_relocate
