# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node that the cluster has fenced is switched on again, once its guests run elsewhere.

Fencing only cuts the power, for guests need not wait for more than that. Pacemaker then starts this program on every
node that is left, as user hacluster (an alert, see cluster/fencing.py), and one of them switches the node on: the one
that had it cut, or the next in the order of their names when that does not come to it.

What somebody asked for as "off" stays off, as does a node in maintenance, which may have been taken apart, and one
that nobody but a human confirmed to be off.
"""

from __future__ import annotations

import os
import syslog
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..cluster.fencing import only_sbd
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..cluster.status import ClusterStatus, FenceEvent
from ..cluster.unconfirmed import unconfirmed
from ..core.node_name import node_name

__all__ = ["PowerBack", "fenced", "main"]

#: Seconds for guests to start elsewhere, at least and at most: a node that boots takes what they need.
_EARLIEST, _LATEST = 10.0, 120.0
#: Seconds that each node leaves to the one before it.
_TURN = 60.0
#: Seconds for the power controller, between two tries, and until it is given up.
_PATIENCE, _AGAIN, _GIVE_UP = 40.0, 30.0, 1800.0


class Verdict(NamedTuple):
    """Whether the node is to be switched on, and why not."""

    on: bool
    why: str = ""


def fenced(alert: Mapping[str, str]) -> str | None:
    """The other node whose power something was done about, by what Pacemaker tells of an event, if any.

    What was done, the event says in words for people alone, so the cluster is asked.
    """
    told = {name: alert.get(f"CRM_alert_{name}", "") for name in ("kind", "node", "rc")}
    done = told["kind"] == "fencing" and told["rc"] == "0"
    return told["node"] if done and told["node"] != node_name() else None


class PowerBack:
    """The return of one node's power, as one of the others sees to it."""

    def __init__(
        self,
        node: str,
        cluster: Pacemaker,
        here: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda text: syslog.syslog(syslog.LOG_NOTICE, text),
    ) -> None:
        self.node, self.cluster, self.here = node, cluster, here
        self._clock, self._sleep, self._say = clock, sleep, say

    def run(self) -> bool:
        """Wait for the guests, then switch the node on. Returns whether this node did."""
        begun = self._clock()
        cut = _last(self._status(begun), self.node)
        if cut is None or cut.action != "reboot":
            return False
        if only_sbd(self.node, [one.name for one in self._status(begun).resources]):
            self._say(f"{self.node} is not switched on: SBD has it reset itself, which brings it back")
            return False
        self._sleep(_EARLIEST)
        while self._clock() - begun < _LATEST and self._at_work():
            self._sleep(1.0)
        self._sleep(_TURN * turn(self.here, cut.by, self._status(begun)))
        while True:
            try:
                verdict = judge(self.node, cut, self.cluster.status())
                if not verdict.on:
                    self._say(f"{self.node} is not switched on: {verdict.why}")
                    return False
                self.cluster.power_on(self.node, _PATIENCE)
            except ClusterError as error:
                if self._clock() - begun > _GIVE_UP:
                    self._say(f"{self.node} is off and could not be switched on: {error}")
                    return False
                self._say(f"{self.node} could not be switched on, and is tried again: {error}")
                self._sleep(_AGAIN)
                continue
            self._say(f"{self.node} is switched on, for it was fenced and its guests are seen to")
            return True

    def _status(self, begun: float) -> ClusterStatus:
        """The cluster's status. One that has just lost a node may take its time to answer: ClusterError comes late."""
        while True:
            try:
                return self.cluster.status()
            except ClusterError:
                if self._clock() - begun > _GIVE_UP:
                    raise
                self._sleep(_AGAIN)

    def _at_work(self) -> bool:
        try:
            return bool(self.cluster.at_work())
        except ClusterError:
            return False


def turn(here: str, cutter: str, status: ClusterStatus) -> int:
    """Which of the nodes that are left this one is in the order in which they see to it; the first is 0."""
    left = sorted(node.name for node in status.nodes if node.online)
    order = sorted(left, key=lambda name: (name != cutter, name))
    return order.index(here) if here in order else len(order)


def judge(node: str, cut: FenceEvent, status: ClusterStatus) -> Verdict:
    """Whether a node that was cut off by ``cut`` is still to be switched on."""
    seen = status.node(node)
    if seen is None:
        return Verdict(on=False, why="it is no member any more")
    if seen.online or seen.pending:
        return Verdict(on=False, why="it is there already")
    if seen.standby:
        return Verdict(on=False, why="it is in maintenance, and somebody may be at work on it")
    last = _last(status, node)
    if last != cut:
        what = f"its power was asked to be {last.action}" if last else "nobody remembers that it was fenced"
        return Verdict(on=False, why=f"{what} meanwhile")
    return Verdict(on=True)


def complain(
    node: str, cluster: Pacemaker, say: Callable[[str], None] = lambda text: syslog.syslog(syslog.LOG_ERR, text)
) -> None:
    """Tell the log of a node that cannot be confirmed to be off, once: the cluster tries it again and again."""
    try:
        found = [one for one in unconfirmed(cluster.status()) if one.node == node]
    except ClusterError:
        return
    for one in found:
        if one.attempts == 1:
            say(str(one))


def _last(status: ClusterStatus, node: str) -> FenceEvent | None:
    """What was done last about the power of a node, and worked."""
    done = [event for event in status.fence_events if event.target == node and event.status == "success"]
    return max(done, key=lambda event: event.when, default=None)


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Take Pacemaker's word and return at once; the rest goes on in a process of its own."""
    syslog.openlog("drover-power")
    if environment.get("CRM_alert_kind") == "fencing" and environment.get("CRM_alert_rc") != "0":
        complain(environment.get("CRM_alert_node", ""), Pacemaker())
    node = fenced(environment)
    if node is None or os.fork():
        return 0
    os.setsid()
    if os.fork():
        os._exit(0)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    try:
        PowerBack(node, Pacemaker(), node_name()).run()
    except ClusterError as error:
        syslog.syslog(syslog.LOG_WARNING, f"whether {node} is to be switched on cannot be told: {error}")
    os._exit(0)
