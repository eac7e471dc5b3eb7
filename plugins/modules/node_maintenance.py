#!/usr/bin/python
# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a node into maintenance, and take it out again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_maintenance
short_description: Put a node into maintenance, and take it out again
version_added: 0.1.0
description:
  - V(on) moves all guests off a node, by one patch of the cluster's configuration, and waits until it is empty.
  - V(off) takes the node back into service, and its guests home to it.
  - The cluster carries it out by itself. Interrupted, this can be run again, and finishes what it began.
options:
  node:
    description: Name of the node.
    type: str
    required: true
  state:
    description: Whether it is to be in maintenance.
    type: str
    choices: ["on", "off"]
    required: true
  force:
    description:
      - Go on although guests would be stopped, because no other node has room for them.
      - They start again when there is room, at the latest when the maintenance ends.
    type: bool
    default: false
  timeout:
    description: Seconds to wait until the node is empty, or its guests are home.
    type: int
    default: 1800
extends_documentation_fragment:
  - cspp.drover.attributes
  - cspp.drover.attributes.DIFF
  - cspp.drover.attributes.CLUSTER
attributes:
  check_mode:
    description: Tells which guest would go where, and changes nothing.
  diff_mode:
    description: One difference per object of the cluster's configuration.
"""

EXAMPLES = r"""
- name: Empty a node
  cspp.drover.node_maintenance:
    node: node2
    state: "on"
  run_once: true
"""

RETURN = r"""
node:
  description: Name of the node.
  type: str
  returned: success
guests:
  description: The guests that left, or came home.
  type: list
  elements: str
  returned: success
plan:
  description: What the cluster does because of it, as predicted by its own scheduler.
  type: list
  elements: str
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: success
moves:
  description: The records of these moves in the cluster's journal.
  type: list
  elements: dict
  returned: success
outcomes:
  description: How each guest's move went, on a line.
  type: list
  elements: str
  returned: success
"""

import time
from collections.abc import Callable, Collection
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cspp.drover.plugins.module_utils import drain, journal, move, report
from ansible_collections.cspp.drover.plugins.module_utils.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cib_difference import Difference
from ansible_collections.cspp.drover.plugins.module_utils.cluster_status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.guest_health import repairs
from ansible_collections.cspp.drover.plugins.module_utils.move import Refused, UnderWay
from ansible_collections.cspp.drover.plugins.module_utils.pacemaker import Applied, ClusterError, Pacemaker, Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.simulate import Prediction
from ansible_collections.cspp.drover.plugins.module_utils.wait import WaitTimeout


class Maintenance:
    """One run of the module."""

    def __init__(self, cluster: Pacemaker, params: dict[str, Any], check: bool) -> None:
        self.cluster = cluster
        self.node: str = params["node"]
        self.force: bool = params["force"]
        self.timeout: float = params["timeout"]
        self.check = check
        self.started = time.monotonic()
        self.recorded = journal.Since() if not check else None

    def on(self) -> dict[str, Any]:
        """Empty the node. Raises Refused when guests would have to be stopped, ClusterError for those that stay."""
        self._mend()
        while True:
            try:
                applied, going = self._order_leave()
                break
            except UnderWay as other:
                self._await_rest(other.guests)
        changed = applied.difference.changed
        if not self.check:
            last = self._wait(
                lambda now: now.idle(going.guests),
                lambda now: f"{self.node} to be empty (still there: {', '.join(drain.left_behind(going, now))})",
            )
            stuck = drain.left_behind(going, last)
            if stuck:
                raise ClusterError(
                    f"{self.node} is not empty. These guests keep running there: "
                    + self._reasons(stuck)
                    + ". Cure the cause and run this again, or call the maintenance off (-e state=off)"
                )
            rest = self.cluster.apply(lambda cib: drain.emptied(self.node, read(cib)), check=False)
            changed = changed or rest.difference.changed
        return self._result(applied, going.guests, changed)

    def _order_leave(self) -> tuple[Applied, drain.Drain]:
        seen = self.cluster.look()
        status, planned = seen.status, self._planned(seen)

        def leave(cib: str) -> drain.Drain:
            return drain.leave(self.node, read(cib), status, planned)

        def guard(difference: Difference, prediction: Prediction) -> None:
            # Those on the node, and those that are on their way to it.
            coming = {name for name in read(seen.cib).guests() if seen.ahead.place(name) == self.node}
            self._refuse_under_way(difference, coming.union(leave(seen.cib).guests))
            reasons = drain.refusals(leave(seen.cib), prediction, status)
            if reasons and not self.force:
                raise Refused(
                    f"{self.node} can't be emptied: {'; '.join(reasons)}. Make room on the other nodes, or take "
                    "that into account with -e force=true: stopped guests start again when there is room, at the "
                    "latest when the maintenance ends"
                )

        applied = self.cluster.apply(lambda cib: leave(cib).wanted, check=self.check, guard=guard)
        return applied, leave(applied.difference.live)

    def off(self) -> dict[str, Any]:
        """Take the node back into service. Raises ClusterError for guests that don't come home."""
        while True:
            try:
                status, applied, coming = self._order_return()
                break
            except UnderWay as other:
                self._await_rest(other.guests)
        changed = applied.difference.changed or bool(coming.guests)
        host = status.node(self.node)
        # The guests of a node that is away keep their home: they come when it does.
        if not self.check and host is not None and host.online:
            self._mend(coming.guests)
            last = self._wait(
                lambda now: now.idle(coming.guests),
                lambda now: f"the return to {self.node} of {', '.join(drain.stayed_away(coming, now))}",
            )
            self.cluster.apply(lambda _cib: coming.cleared, check=False)
            away = drain.stayed_away(coming, last)
            if away:
                raise ClusterError(
                    f"{self.node} is in service again, but not all of its guests came back: "
                    + self._reasons(away)
                    + ". Cure the cause and move them one by one: playbooks/migrate.yml"
                )
        return self._result(applied, coming.guests, changed)

    def _order_return(self) -> tuple[ClusterStatus, Applied, drain.Return]:
        status = self.cluster.status()

        def back(cib: str) -> drain.Return:
            return drain.returning(self.node, read(cib), status)

        def guard(difference: Difference, _prediction: Prediction) -> None:
            self._refuse_under_way(difference, back(difference.live).guests)

        applied = self.cluster.apply(lambda cib: back(cib).wanted, check=self.check, guard=guard)
        return status, applied, back(applied.difference.live)

    def _refuse_under_way(self, difference: Difference, guests: Collection[str]) -> None:
        """Pacemaker starts a guest anew whose target it changes while it is on its way."""
        if self.check:
            return
        ahead = self.cluster.simulate(difference.live)
        if any(move.under_way(name, difference.live, ahead) for name in guests):
            raise UnderWay(guests)

    def _await_rest(self, guests: Collection[str]) -> None:
        self._wait(
            lambda now: not any(move.under_way(name, now.cib, now.ahead) for name in guests),
            lambda _now: f"the end of what is under way for {', '.join(sorted(guests))}",
        )

    def _reasons(self, guests: dict[str, str]) -> str:
        """Why each guest is where it is: in the agent's own words, which the journal has, or in the cluster's."""
        failed = {move["guest"]: move.get("reason") for move in self._moves(guests)}
        return "; ".join(f"{name} ({failed.get(name) or why})" for name, why in guests.items())

    def _moves(self, guests: Collection[str]) -> list[journal.Entry]:
        return self.recorded.entries(guests) if self.recorded else []

    def _planned(self, seen: Snapshot) -> dict[str, str | None]:
        """Where the guests go: by Pacemaker's own plan, or by ours where Pacemaker's would stop one."""
        live = read(seen.cib)
        going = drain.leave(self.node, live, seen.status)
        greedy = self.cluster.apply(
            lambda cib: drain.leave(self.node, read(cib), seen.status).wanted, check=True
        ).prediction
        if greedy.empty:
            return {}
        if drain.refusals(going, greedy, seen.status):
            return drain.targets(self.node, list(going.guests), live, seen.status)
        return {name: greedy.place(name) for name in going.guests}

    def _mend(self, guests: tuple[str, ...] | None = None) -> None:
        """Put guests in order whose migration failed in an earlier run."""
        if self.check:
            return
        seen = self.cluster.look()
        live = read(seen.cib)
        names = [name for name in live.guests() if guests is None or name in guests]
        if guests is None:
            names = [n for n in names if (r := seen.status.resource(n)) is not None and self.node in r.nodes]
        ways = repairs(names, seen.status)
        for name in names:
            if ways.get(name) == "recover" or name in live.recovering():
                self.cluster.recover(name)

    def _wait(self, done: Callable[[Snapshot], bool], what: Callable[[Snapshot], str]) -> Snapshot:
        try:
            return self.cluster.wait(done, what="it", timeout=self.timeout)
        except WaitTimeout as late:
            raise ClusterError(
                f"waited {late.waited:.0f} s in vain for {what(late.last)}; the cluster goes on by itself "
                f"({late.last}), and running this again goes on waiting"
            ) from late

    def _result(self, applied: Applied, guests: tuple[str, ...] | list[str], changed: bool) -> dict[str, Any]:
        moves = self._moves(guests)
        return {
            "changed": changed,
            "diff": applied.difference.diff(),
            "moves": moves,
            "outcomes": [report.outcome(report.of_record(record)) for record in moves],
            "node": self.node,
            "guests": list(guests),
            "plan": applied.prediction.sentences(),
            "seconds": round(time.monotonic() - self.started, 1),
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    run = Maintenance(Pacemaker(), module.params, module.check_mode)
    try:
        result = run.on() if module.params["state"] == "on" else run.off()
    except (ClusterError, Refused, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
