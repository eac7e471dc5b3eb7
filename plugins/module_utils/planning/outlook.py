# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The outlook on one guest's move: what speaks against each target, and what a live migration there will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cluster.cib import Configuration, read
from ..cluster.guests import guest_of
from ..cluster.pacemaker import Snapshot
from ..guest.migration_policy import Policy
from ..journal import book
from ..preflight import checks as readiness
from ..preflight.cluster_checks import ClusterChecks
from ..preflight.inquiry import Preflight, preflight
from ..preflight.survey import volumes
from .forecast import Forecast, achieved, forecast

__all__ = ["Outlook", "foresee", "look_ahead"]


@dataclass(frozen=True)
class Outlook:
    """What the preflight ``found``, and what is ``foreseen`` of a live migration, by target."""

    guest: str
    found: Preflight = field(default_factory=Preflight)
    foreseen: Mapping[str, Forecast] = field(default_factory=dict)

    def notes(self, target: str | None) -> list[str]:
        """Forecast and warnings of a move to there, as lines for a terminal."""
        expected = self.foreseen.get(target or "")
        told = readiness.told(self.found.findings(self.guest, target))
        return [*([f"forecast: {expected}"] if expected else []), *told]

    def as_dict(self, target: str | None) -> dict[str, Any]:
        """Itself as part of a module's result, with the forecast of a move to there."""
        expected = self.foreseen.get(target or "")
        checks = [one.as_dict() for one in self.found.checks]
        return {"preflight": checks, "forecast": expected.as_dict() if expected else None}


def look_ahead(guest: str, to: str | None, seen: Snapshot) -> Outlook:
    """Ask the nodes about a guest's move to one node, or to each of them. A VM's use of memory is measured, which takes
    a second."""
    live = read(seen.cib)
    checks = ClusterChecks(live, seen.status)
    nodes = [to] if to else [node.name for node in seen.status.nodes]
    found = preflight([guest], nodes, checks, measure=[guest])
    return Outlook(guest, found, foresee(guest, checks.source_of(guest), live, found))


def foresee(guest: str, here: str | None, live: Configuration, found: Preflight) -> dict[str, Forecast]:
    """What live migrations of a VM from the node ``here`` will take, by target: nothing of a guest whose use of memory
    was not measured."""
    if here is None or here not in found.views:
        return {}
    suits = found.views[here].suits
    measured = suits.get("measure", {}).get(guest)
    if not measured or "error" in measured:
        return {}
    definition = guest_of(live.primitives[guest]) or {}
    memory, policy = int(definition.get("max_memory") or definition["memory"]), Policy.of(definition)
    disks = sum(suits["paths"][path]["used"] or 0 for path, alone in volumes(definition) if alone)
    earlier = book.Book().entries()
    foreseen = {}
    for target in (one.target for one in found.checks if one.guest == guest):
        wire = suits["reach"].get(target, {}).get("speed")
        before = achieved(earlier, here, target, measured["in_use"])
        foreseen[target] = forecast(
            measured["in_use"], measured["dirties"], policy, memory=memory, disks=disks, wire=wire, before=before
        )
    return foreseen
