# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One power cut, and the moments of each guest's recovery from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.drill import timeline
from ansible_collections.cspp.drover.plugins.module_utils.drill.clients import Asker, Service
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround
from ansible_collections.cspp.drover.plugins.module_utils.drill.rest import cluster, settle

from .figures import Record

__all__ = ["PATIENCE", "Subject", "cut", "rest"]

#: Seconds until guests answer after a change of configuration, and after a cut; and until the cluster is at rest.
PATIENCE, _SETTLES = 180.0, 240.0


class Subject(NamedTuple):
    """A guest under test: whose, of which kind, where it answers."""

    way: str
    kind: str
    name: str
    service: Service


def cut(ground: LabGround, victim: str, subjects: Sequence[Subject]) -> list[Record]:
    """Cut the power of the node on which the guests run. What came of it, a record for each."""
    asker = Asker({subject.name: subject.service for subject in subjects})
    asker.start()
    wait_for(
        lambda: [one.name for one in subjects if not asker.answers(one.name)],
        lambda silent: not silent,
        what="answers before the cut",
        timeout=PATIENCE,
        interval=0.2,
    )
    time.sleep(2)
    strike = time.time()
    ground.cut_power(victim)
    error = None
    try:
        wait_for(
            lambda: [one.name for one in subjects if not _ends(asker, one, strike)],
            lambda away: not away,
            what=f"the return of {', '.join(one.name for one in subjects)}",
            timeout=PATIENCE,
            interval=0.1,
        )
        rest(ground, subjects)
    except DroverError as failure:
        error = str(failure)
    time.sleep(1)
    ends = {one.name: next(iter(_ends(asker, one, strike)), None) for one in subjects}
    asker.stop()
    events = sorted(
        event for name in ground.nodes if name != victim for event in timeline.read(ground.runner(name), strike)
    )
    return [
        {
            "way": one.way,
            "kind": one.kind,
            "node": victim,
            "at": strike,
            **vars(timeline.moments(events, strike, one.name, [victim])),
            "answered": None if (answered := ends[one.name]) is None else round(answered - strike, 2),
            "error": error,
        }
        for one in subjects
    ]


def rest(ground: LabGround, subjects: Sequence[Subject]) -> None:
    """Wait until the cluster is at rest with these guests running. Raises DroverError."""
    settle(ground, [subject.name for subject in subjects], _SETTLES)
    status = cluster(ground).status()
    down = [one.name for one in subjects if not ((at := status.resource(one.name)) and at.running)]
    if down:
        raise DroverError(f"{', '.join(down)} does not run: {[str(one) for one in status.failures]}")


def _ends(asker: Asker, subject: Subject, strike: float) -> list[float]:
    """When outages ended that lasted beyond the strike."""
    return [one.end for one in asker.outages(subject.name) if one.end is not None and one.end > strike]
