# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "prove": a node's fencing is tried in earnest. The node is emptied, fenced as if it were lost, switched on
again and taken back into service; how long its power took to be off goes into the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..cluster.fencing import only_sbd
from ..cluster.pacemaker import ClusterError, Pacemaker, Snapshot
from ..core.errors import InvalidValue
from ..core.wait import WaitTimeout
from ..journal import book, power
from ..planning.move import Refused
from ..reporting.job_log import JobLog
from .maintain import Maintenance

__all__ = ["Proof"]

#: Seconds for the power controller, and for the node to be a member again: servers test their memory first.
_POWER, _BOOT = 120.0, 900.0


class Proof:
    """One run, by a member ``here`` that is another than the node."""

    def __init__(
        self,
        cluster: Pacemaker,
        node: str,
        here: str,
        *,
        timeout: float,
        check: bool,
        log: JobLog,
        record: Callable[[book.Entry], None] = book.record,
    ) -> None:
        self.cluster, self.node, self.here = cluster, node, here
        self.timeout, self.check, self.log, self._record = timeout, check, log, record

    def run(self) -> dict[str, Any]:
        """Try it. Raises Refused when the cluster is not well enough for that, ClusterError when the node could not be
        fenced or did not come back, InvalidValue for no node."""
        seen = self.cluster.look()
        self._refuse(seen)
        emptied = self._maintenance().on()
        told = [*emptied["plan"], f"{self.node}: cut its power, see that it is off, switch it on again"]
        if self.check:
            return self._result(plan=told)
        began, started = time.time(), self.cluster.clock()
        self.log.say(f"{self.node} is empty: its power is cut now")
        try:
            self.cluster.fence(self.node, _POWER, anew=True)
        except ClusterError as error:
            self._tell("failed", began, reason=str(error))
            raise ClusterError(
                f"{self.node} could not be fenced, so its guests would not be recovered if it died: {error}. It stays "
                f"empty and in maintenance until its power controller does what it is told (-e state=off ends that)"
            ) from error
        off = round(self.cluster.clock() - started, 1)
        self.log.say(f"{self.node} is known to be off after {off:.1f} s: it comes back now")
        if not only_sbd(self.node, [one.name for one in seen.status.resources]):
            self.cluster.power_on(self.node, _POWER)
        self._await_return()
        back = round(self.cluster.clock() - started, 1)
        self._tell("fenced", began, seconds=off, back=back)
        self.log.say(f"{self.node} is a member again after {back:.0f} s: its guests come home")
        self._maintenance().off()
        return self._result(plan=told, off=off, back=back)

    def _refuse(self, seen: Snapshot) -> None:
        nodes = [node.name for node in seen.status.nodes]
        if self.node not in nodes:
            raise InvalidValue(f"there is no node {self.node} in the cluster; its nodes are: {', '.join(nodes)}")
        if self.node == self.here:
            raise Refused(f"{self.node} cannot have itself fenced: run this on another member")
        if not seen.status.fencing:
            raise Refused("fencing is off (stonith-enabled): playbooks/site.yml switches it on when it is declared")
        unwell = [node.name for node in seen.status.nodes if not node.usable]
        if unwell or not seen.status.quorum:
            raise Refused(
                f"the cluster is not as it should be, and is not put to the test: {', '.join(unwell) or 'it'} "
                "cannot take guests, or there is no quorum; playbooks/status.yml says why"
            )

    def _maintenance(self) -> Maintenance:
        how: dict[str, Any] = {"force": False, "timeout": self.timeout, "check": self.check, "log": self.log}
        return Maintenance(self.cluster, self.node, **how)

    def _await_return(self) -> None:
        try:
            self.cluster.wait(
                lambda status: (host := status.node(self.node)) is not None and host.online and not host.pending,
                what=f"the return of {self.node}",
                timeout=_BOOT,
            )
        except WaitTimeout as late:
            raise ClusterError(
                f"{self.node} was fenced, and is no member again {late.waited:.0f} s later: look at its console. It is "
                f"in maintenance; playbooks/maintenance.yml -e node={self.node} -e state=off ends that"
            ) from late

    def _tell(self, result: str, began: float, **more: Any) -> None:
        self._record(power.entry("proof", self.node, result, since=began, by=self.here, **more))

    def _result(self, *, plan: list[str], off: float | None = None, back: float | None = None) -> dict[str, Any]:
        outcome = f"{self.node}: off after {off:.1f} s, a member again after {back:.0f} s" if off and back else ""
        known = {"seconds_to_off": off, "seconds_to_return": back, "outcome": outcome}
        return {"changed": True, "node": self.node, "plan": plan, **known}
