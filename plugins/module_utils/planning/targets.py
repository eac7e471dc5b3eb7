# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The placement policy: to which node a guest goes that leaves its own, for single moves and for drains alike.

Of the nodes that nothing speaks against it is the one with the company that is wished for, then the one that the guest
wishes for, then the one with the most memory left. Where several guests leave, the largest chooses first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..cluster.cib import Configuration
from ..cluster.objects import PREFIX, Location
from ..preflight.cluster_checks import COMPANY, ClusterChecks
from ..preflight.reasons import Finding, Seen, blocking, reasons

__all__ = ["Choice", "against", "assign", "choose"]


@dataclass(frozen=True)
class Choice:
    """Where a guest goes; nowhere when something speaks against each node, and then ``blocked`` says what."""

    target: str | None
    blocked: Mapping[str, Sequence[Finding]]

    def why_not(self) -> str:
        """What speaks against each of the nodes, in one sentence."""
        said = "; ".join(f"{node}: {reasons(why)}" for node, why in sorted(self.blocked.items()))
        return said or "there is no other node"


def against(
    guest: str, target: str, checks: ClusterChecks, seen: Iterable[Finding], ignore: Collection[str] = ()
) -> list[Finding]:
    """What a move to a node can't be made with.

    ``ignore`` are codes of what the nodes see, or of a guest's company. Nobody can ignore that there is no room.
    """
    known = [f for f in checks.objections(guest, target) if not (f.code in COMPANY and f.code in ignore)]
    return blocking([*known, *(finding for finding in seen if finding.code not in ignore)])


def choose(guest: str, source: str, checks: ClusterChecks, seen: Seen, ignore: Collection[str] = ()) -> Choice:
    """The best node for a guest that leaves ``source``."""
    others = [node.name for node in checks.status.nodes if node.name != source]
    found = {node: against(guest, node, checks, seen.get(node, ()), ignore) for node in others}
    wishes = _wishes(guest, checks.live)

    def rank(node: str) -> tuple[int, int, int, str]:
        unwanted = sum(1 for _finding in checks.company(guest, node))
        return (unwanted, -wishes.get(node, 0), -checks.memory_left(node), node)

    possible = [node for node, why in found.items() if not why]
    return Choice(min(possible, key=rank, default=None), {node: why for node, why in found.items() if why})


def assign(
    guests: Collection[str], source: str, checks: ClusterChecks, seen: Mapping[str, Seen], ignore: Collection[str] = ()
) -> dict[str, Choice]:
    """The best nodes for guests that leave ``source`` together, each beside those that chose before.

    ``seen`` is by guest.
    """
    primitives = checks.live.primitives
    choices = {}
    for name in sorted(guests, key=lambda n: (-int(primitives[n].utilization.get("memory", "0")), n)):
        choices[name] = choose(name, source, checks, seen.get(name, {}), ignore)
        target = choices[name].target
        if target is not None:
            checks.place(name, target)
    return choices


def _wishes(guest: str, live: Configuration) -> dict[str, int]:
    """How much a guest wishes for each node."""
    return {
        constraint.node: int(constraint.score)
        for name, constraint in live.constraints.items()
        if isinstance(constraint, Location)
        and constraint.resource == guest
        and name.startswith(f"{PREFIX}prefer-{guest}.")
    }
