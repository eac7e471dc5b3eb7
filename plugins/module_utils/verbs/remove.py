# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb "remove a node", Pacemaker's part of it: empty the node or prove that it is off, and forget it when it has
left.

Each part finds out for itself what is left to do, so that whoever was interrupted just begins again.
"""

from __future__ import annotations

from typing import Any

from ..cluster.cib import read
from ..cluster.pacemaker import ClusterError, Pacemaker, Snapshot
from ..core.errors import InvalidValue
from ..planning import removal
from ..planning.move import Refused
from ..planning.removal import Standing
from ..reporting.job_log import JobLog
from .maintain import Maintenance

__all__ = ["Removal"]

#: Seconds for the power controller.
_OFF = 120.0


class _Emptying(Maintenance):
    """Maintenance that does not end: no guest may be stopped for the time being."""

    advice = "Cure that, or make room on the other nodes. Nothing was touched"


class Removal:
    """One run. ``confirmed`` says that somebody has seen that the node has no power."""

    def __init__(
        self, cluster: Pacemaker, standing: Standing, *, confirmed: bool, timeout: float, check: bool, log: JobLog
    ) -> None:
        self.cluster, self.standing, self.confirmed = cluster, standing, confirmed
        self.timeout, self.check, self.log = timeout, check, log
        self.node = standing.node

    def empty(self) -> dict[str, Any]:
        """Move all guests off the node, or prove that it is off. Raises Refused, and ClusterError when it did not
        work."""
        seen = self.cluster.look()
        self._known(seen)
        host = seen.status.node(self.node)
        if host is None:
            return self._result(changed=False)
        self._refuse(seen)
        if not host.online:
            return self._switch_off(seen)
        how: dict[str, Any] = {"force": False, "timeout": self.timeout, "check": self.check, "log": self.log}
        done = _Emptying(self.cluster, self.node, **how).on()
        if not self.check:
            self._refuse(self.cluster.look())
        return self._result(**{key: done[key] for key in ("changed", "diff", "plan", "notes", "outcomes", "guests")})

    def forget(self) -> dict[str, Any]:
        """Take the node out of the configuration. Raises Refused while it is a member."""
        seen = self.cluster.look()
        host = seen.status.node(self.node)
        if host is not None and host.online and not self.check:
            raise Refused(f"{self.node} is a running member, and was not forgotten. Run the same play again")
        applied = self.cluster.apply(
            lambda cib: removal.forget(self.node, read(cib)), check=self.check, live=seen.cib, predict=False
        )
        known = host is not None or self.node in read(seen.cib).nodes
        if known and not self.check:
            self.cluster.forget(self.node)
        return self._result(changed=known or applied.difference.changed, diff=applied.difference.diff())

    def _known(self, seen: Snapshot) -> None:
        members = {node.name for node in seen.status.nodes}
        if self.node not in {*members, *self.standing.listed, *self.standing.answering}:
            raise InvalidValue(
                f"there is no node {self.node} in the cluster; its nodes are: {', '.join(sorted(members))}"
            )

    def _refuse(self, seen: Snapshot) -> None:
        found = removal.refusals(self.standing, read(seen.cib), seen.status)
        if found:
            raise Refused(f"{self.node} can't be taken out of the cluster: {'; '.join(found)}.")

    def _switch_off(self, seen: Snapshot) -> dict[str, Any]:
        """A node that is no running member: its own word that it has stopped will do, else its power is cut."""
        host = seen.status.node(self.node)
        unclean = host is not None and host.unclean
        if self.standing.answers and not unclean:
            return self._result(changed=False)
        if self.confirmed and not unclean:
            return self._result(changed=False)
        told = f"{self.node} is no running member" + ("" if self.standing.answers else " and does not answer")
        plan = [f"{told}: its power controller switches it off, and it stays off"]
        if self.check:
            return self._result(changed=True, plan=plan)
        self.log.say(*plan)
        try:
            self.cluster.power_off(self.node, _OFF)
        except ClusterError as error:
            raise Refused(
                f"{self.node} can't be taken out of the cluster: nobody could prove that it is off ({error}), and "
                "if it runs, so may its guests, and it holds the cluster's keys. Mend its power controller. If you "
                f"have seen with your own eyes that it has no power: playbooks/fencing.yml -e confirm={self.node}, "
                "then run this again with -e node_is_off=true"
            ) from error
        return self._result(changed=True, plan=plan)

    def _result(self, **what: Any) -> dict[str, Any]:
        empty = {"changed": False, "diff": [], "plan": [], "notes": [], "outcomes": [], "guests": []}
        return {**empty, "node": self.node, **what}
