# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a guest's process on this node, told to the cluster at once if it was nobody's intention.

Whatever an agent does on purpose (a stop, a move) takes the guest's mark away first, so nothing comes here of it. What
is left to tell apart is a guest that shut itself down or started itself again, for which the agent's own monitor is
asked, and what the cluster leaves alone (cluster/charge.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from ..cluster.charge import charge, question
from ..cluster.objects import Primitive
from ..cluster.pacemaker import ClusterError, Pacemaker
from ..core.node_name import node_name
from ..core.wait import Deadline
from ..hypervisor.emulator import emulator_pid
from ..hypervisor.libvirt_connection import LibvirtUnreachable
from ..hypervisor.libvirt_host import LibvirtHost
from ..hypervisor.lxc_host import LxcError, LxcHost
from . import container, glance, ocf, vm
from .ocf import AgentError, Code, Request

__all__ = ["MONITORS", "End", "Monitor", "Outcome"]

#: Seconds for all of it, and until the agent is asked again that still has the guest running.
_PATIENCE, _AGAIN = 4.0, 0.05

Monitor = Callable[[Request], Code]


def _monitor_vm(request: Request) -> Code:
    try:
        return vm.monitor(request, LibvirtHost())
    except LibvirtUnreachable:
        return Code.SUCCESS if emulator_pid(request.instance) else Code.NOT_RUNNING


def _monitor_container(request: Request) -> Code:
    host = LxcHost()
    try:
        return container.monitor(request, host)
    except LxcError:
        return Code.SUCCESS if host.processes(request.instance) else Code.NOT_RUNNING


#: What says of a guest whether it runs, by its kind.
MONITORS: Mapping[str, Monitor] = {"vm": _monitor_vm, "container": _monitor_container}


@dataclass(frozen=True)
class Outcome:
    """What came of it: whether the cluster was ``told``, and why not."""

    told: bool
    why: str = ""


@dataclass(frozen=True)
class End:
    """The end of a guest as the process ``pid`` that began at ``born`` (core/processes.py)."""

    guest: str
    pid: int
    born: int
    cluster: Pacemaker = field(default_factory=Pacemaker)
    monitors: Mapping[str, Monitor] = field(default_factory=lambda: MONITORS)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def tell(self) -> Outcome:
        """Tell the cluster, unless that is somebody else's, or nobody's. Raises nothing that a monitor would not."""
        if not glance.claim(self.guest, self.pid, self.born):
            return Outcome(False, "an agent is at work with it, or has seen it already")
        told = False
        try:
            outcome = self._settle()
            told = outcome.told
            return outcome
        finally:
            if not told:
                glance.disclaim(self.guest)

    def _settle(self) -> Outcome:
        deadline = Deadline(_PATIENCE, self.clock, self.sleep)
        here = node_name()
        try:
            while deadline.left():
                found = charge(self.cluster.extract(question(self.guest, here)) or "<none/>", self.guest, here)
                if found.resource is None:
                    return Outcome(False, found.why)
                if self._is_gone(found.resource, deadline):
                    self.cluster.fail(self.guest, here)
                    return Outcome(True)
                if glance.marked(self.guest):
                    return Outcome(False, "it runs again")
                deadline.sleep(_AGAIN)
        except (ClusterError, ParseError) as error:
            return Outcome(False, f"the cluster does not answer: {error}")
        return Outcome(False, "its agent says that it runs")

    def _is_gone(self, resource: Primitive, deadline: Deadline) -> bool:
        """Whether the agent's monitor says so, which has the cluster leave a guest down that is to stay so."""
        monitor = self.monitors.get(resource.type)
        if monitor is None:
            return False
        request = Request("monitor", self.guest, resource.params, deadline, recurring=True)
        try:
            return monitor(request) is not Code.SUCCESS
        except AgentError as error:
            ocf.warning(f"{self.guest}: {error}")
            return True
