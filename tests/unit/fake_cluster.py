# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster for the tests of modules, on transcripts of a real one: it takes patches, and its clock is its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.objects import Location, NodeSettings, Wanted
from ansible_collections.cspp.drover.plugins.module_utils.cluster.reconciliation import reconcile
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.preflight.survey import NodeView
from ansible_collections.cspp.drover.tests.unit.cluster_samples import simulated

DATA = Path(__file__).parent / "data" / "pacemaker"


def transcript(name: str) -> str:
    return (DATA / f"{name}.xml").read_text(encoding="utf-8")


HOME = Location("drover-home-mc", "mc", "n2", "INFINITY")
STANDBY = NodeSettings("n2", {"standby": "on"})
CIB, STATUS, IDLE = transcript("cib-guests"), transcript("crm_mon-guests"), transcript("crm_simulate-idle")


class FakeCluster:
    """A cluster that takes patches. ``predicted`` is what its scheduler says of any CIB but the live one; the
    statuses follow one another with each patch, the last stays."""

    def __init__(self, predicted: str = "idle", cib: str = CIB, statuses: Sequence[str] = (STATUS,)) -> None:
        self.cib = self.patched = cib
        self.predicted = transcript(f"crm_simulate-{predicted}")
        self.statuses = list(statuses)
        self.writes: list[str] = []
        #: Every run of a tool, and what the nodes are at work with at one look after the other.
        self.runs: list[str] = []
        self.working: list[str] = []
        #: What the nodes say when they are asked.
        self.views: dict[str, NodeView] = {}

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **_options: Any) -> CommandResult:
        output = ""
        self.runs.append(" ".join(argv[:3] if "--xpath" in argv else argv[:2]))
        if argv[:3] == ["cibadmin", "--query", "--xpath"]:
            output = self.working.pop(0) if self.working else ""
        elif argv[:2] == ["cibadmin", "--query"]:
            output = self.cib
        elif argv[0] == "crm_mon":
            output = self.statuses[0]
        elif argv[0] == "crm_simulate":
            output = simulated(argv, IDLE if stdin == self.cib else self.predicted)
        elif argv[0] == "crm_diff":
            self.patched = Path(argv[-1]).read_text(encoding="utf-8")
        elif argv[:2] == ["cibadmin", "--patch"]:
            self.writes.append("patch")
            self.cib = self.patched
            self.statuses = self.statuses[1:] or self.statuses
        else:
            self.writes.append(" ".join(argv))
        return CommandResult(tuple(argv), 0, output, "")


def measured(mc: Mapping[str, Any] | None = None) -> dict[str, NodeView]:
    """What the node of mc says, of its use of memory too."""
    use = mc or {"in_use": 2**27, "dirties": 0}
    suits = {"measure": {"mc": use}, "paths": {}, "reach": {to: {"speed": 160 * 2**20} for to in ("n1", "n3")}}
    return {"n2": NodeView("n2", suits=suits)}


def survey(cluster: object) -> Callable[..., dict[str, NodeView]]:
    """The survey of a cluster's nodes, which measure what they are asked for and nothing else."""

    def asked(view: NodeView, measure: Collection[str]) -> NodeView:
        use = {name: its for name, its in view.suits.get("measure", {}).items() if name in measure}
        return replace(view, suits={**view.suits, "measure": use})

    def views(_guests: Collection[Any], measure: Collection[str] = ()) -> dict[str, NodeView]:
        return {name: asked(view, measure) for name, view in getattr(cluster, "views", {}).items()}

    return views


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


RECORD = {
    "id": "1",
    "guest": "mc",
    "kind": "vm",
    "from": "n2",
    "to": "n3",
    "started": "2026-11-24T00:12:31.042Z",
    "result": "moved",
    "seconds": 1.83,
    "downtime_ms": 21,
    "rounds": 3,
    "bytes": 2**26,
    "path": ["pre-copy"],
    "forecast": {"rounds": 3},
}
ARRIVED = STATUS.replace('<node name="n2" id="2" cached="true"/>', '<node name="n3" id="3" cached="true"/>')
MOVE = {"guest": "mc", "to": "n3"}
#: The transcript of the migration has both guests on one node.
APART = reconcile(CIB, Wanted(absent=frozenset({"drover-apart-mc.web"}))).xml
PENDING = '<lrm_rsc_op operation_key="mc_migrate_to_0" operation="migrate_to" interval="0" on_node="n2" rc-code="193"/>'
LOOK_AT = "cibadmin --query --xpath"
QUERY, MON, SIMULATE, DIFF, PATCH = (
    "cibadmin --query",
    "crm_mon --one-shot",
    "crm_simulate --run",
    "crm_diff --original",
    "cibadmin --patch",
)
ONE_LOOK, WAITING = [QUERY, MON, SIMULATE], [LOOK_AT, LOOK_AT, QUERY, SIMULATE, MON]


class Contested(FakeCluster):
    """Somebody else orders a move just before the first patches, so many times."""

    times = 1

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, **options: Any) -> CommandResult:
        if argv[:2] == ["cibadmin", "--patch"] and self.times:
            self.times -= 1
            self.cib = self.cib.replace(' num_updates="', ' num_updates="1')
            self.theirs = self.cib
            raise CommandError("older", CommandResult(tuple(argv), 103, "", "Update was older"))
        result = super().__call__(argv, stdin=stdin, **options)
        if argv[0] == "crm_simulate" and stdin == getattr(self, "theirs", None):
            self.theirs = ""
            return CommandResult(tuple(argv), 0, simulated(argv, self.predicted), "")
        return result


RETURN = {"node": "n2", "state": "off"}
