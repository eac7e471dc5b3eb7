# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One fault: a guest moves, the fault strikes in its phase, and afterwards everything has to be as if it had not.

That is: the guest runs exactly once and never ran twice, the session to it lives where the fault itself did not have
to end it, a VM that was not started anew has in memory what it had, the cluster has nothing failed, nothing is left on
any node, and whoever asked for the move was told what happened. The same command given again then finishes the move.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ResourceStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.plugins.module_utils.lab.double_runs import Watcher
from ansible_collections.cspp.drover.plugins.module_utils.measure.probe import ProbeError
from ansible_collections.cspp.drover.tests.clients import SessionProbe

from ..verify.lab import Lab, address
from ..verify.plays import play
from .catalogue import Case
from .command import migrate, told
from .judgement import RATE, judge_cluster, judge_message, judge_session
from .leftovers import constraints, leftovers
from .result import Result
from .scene import HELD_WITHIN, Scene
from .system import DEADLINE, System
from .watch import Lifecycle, phase

__all__ = ["Trial"]

#: Seconds for a move to begin, and to come to a phase.
_BEGINS_WITHIN = 60.0
#: Seconds in which a VM writes on its disk what is to be there for the rest of the run.
_WRITTEN_WITHIN = 15.0

#: Of a container, what nobody in it changes. A copy has other times of access and of change.
_SUM = r"""
set -o pipefail
cd /srv/drover/local/containers/shed/rootfs || exit 1
tar --create --sort=name --xattrs --acls --numeric-owner --file=- \
    --pax-option='exthdr.name=%d/pax/%f,delete=atime,delete=ctime' usr | sha256sum
"""


class Trial:
    """Faults on one lab, one after the other."""

    def __init__(self, lab: Lab, guests: Mapping[str, Mapping[str, Any]]) -> None:
        self._system = System(lab, guests)
        #: What earlier faults left behind, which is not this one's.
        self._left_before: list[str] = []
        self._written: set[str] = set()

    def run(self, case: Case, chance: random.Random) -> Result:
        """One fault from a guest at rest to a guest at rest."""
        way = chance.choice(case.fault.ways)
        result = Result(case.fault.name, case.phase, way)
        begun = time.monotonic()
        try:
            scene = Scene(self._system, case, way, chance)
            result.way, result.route = scene.way, f"{scene.source} -> {scene.target}"
            self._strike(scene, case, result)
        except (CommandError, ClusterError, WaitTimeout, ProbeError, OSError) as error:
            result.wrong.append(f"the trial itself: {error!r}")
        result.seconds = round(time.monotonic() - begun, 1)
        if result.lost or result.wrong:
            if self._system.guests[case.fault.guest]["kind"] == "vm":
                result.found = self._system.post_mortem(case.fault.guest)
            self._system.clear(case.fault.guest)
        return result

    def _strike(self, scene: Scene, case: Case, result: Result) -> None:
        system, fault = self._system, scene.fault
        guest = system.guests[scene.guest]
        virtual = guest["kind"] == "vm"
        boot = system.boot(scene.guest) if virtual else ""
        memory = _hold(scene) if virtual else ""
        stored = self._stored(scene)
        fault.prepare(scene)
        session = SessionProbe(address(guest), rate=RATE) if virtual else None
        watcher = Watcher([scene.guest], system.consoles)
        watcher.start()
        if session is not None:
            session.start()
        lifecycle = Lifecycle(scene.guest, scene.console("source")) if virtual else None
        time.sleep(0.3)
        try:
            scene.command = scene.start(scene.target)
            result.injected = _reach(scene, case.phase, lifecycle)
            result.seen = _seen(scene, lifecycle)
            if result.injected:
                fault.inject(scene)
                result.injected = scene.struck > 0
            if result.injected and fault.hold is not None:
                time.sleep(fault.hold)
                fault.undo(scene)
            _end(scene, result)
            if fault.hold is None:
                # Until nothing is under way for the guest.
                system.cluster().settle([scene.guest], what="the end of the move", timeout=DEADLINE)
                path = scene.path()
                if fault.path and not any(word.startswith(fault.path) for word in path):
                    result.wrong.append(f"it was to go through {fault.path!r}, and went through {path}")
                fault.undo(scene)
            system.settle()
            _again(system, scene, result)
            if virtual and system.boot(scene.guest) == boot and (now := scene.memory()) != memory:
                result.wrong.append(f"its memory is not what it was: {now or 'no answer'}, before {memory}")
            if (now := self._stored(scene)) != stored:
                result.wrong.append(f"what it has stored is not what it was: {now or 'no answer'}, before {stored}")
            left = leftovers(system, scene.guest)
            result.left = [one for one in left if one not in self._left_before]
            self._left_before = left
        finally:
            result.twice = watcher.stop()[scene.guest]
            result.lost = not system.runs_once(scene.guest)
            if lifecycle is not None:
                lifecycle.stop()
            if session is not None:
                judge_session(system, session.stop(), fault, result, boot)

    def _stored(self, scene: Scene) -> str:
        """The checksum of what a guest has on its node's own storage and does not change; empty for the others."""
        if scene.guest == "vault":
            if scene.guest not in self._written:
                scene.tell("write 96")
                time.sleep(_WRITTEN_WITHIN)
                self._written.add(scene.guest)
            if not (stored := scene.tell("read", HELD_WITHIN)):
                raise CommandError(f"{scene.guest} does not say what is on its disk")
            return stored
        if scene.guest == "shed":
            return self._system.consoles[scene.where()].run(["bash", "-c", _SUM], timeout=120).stdout.strip()
        return ""


def _hold(scene: Scene) -> str:
    """The checksum of what the VM holds, which gets something to hold when it has nothing."""
    memory = scene.memory()
    if not memory:
        wanted = scene.fault.holds
        said = scene.tell(f"fill {wanted}", HELD_WITHIN)
        if said != f"holding {wanted} MiB":
            raise CommandError(f"{scene.guest} does not fill {wanted} MiB: {said or 'no answer'}")
        memory = scene.memory()
    return memory


def _reach(scene: Scene, wanted: str, lifecycle: Lifecycle | None) -> bool:
    """Wait for the phase. False when the move was over before it was seen."""
    if wanted == "begin":
        return True
    console, until = scene.console("source"), time.monotonic() + _BEGINS_WITHIN
    begun = False
    while time.monotonic() < until:
        now = phase(scene.guest, console)
        begun = begun or bool(now)
        if wanted == "switch-over" and begun and lifecycle is not None:
            return lifecycle.suspended.wait(_BEGINS_WITHIN)
        if now.startswith(wanted):
            return True
        if (begun and not now) or (scene.way != "cluster" and scene.command.ended):
            return False
        time.sleep(0.004)
    return False


def _seen(scene: Scene, lifecycle: Lifecycle | None) -> str:
    """Where the move is, as far as can be seen."""
    if lifecycle is not None and lifecycle.gone.is_set():
        return "arrived"
    if lifecycle is not None and lifecycle.suspended.is_set():
        return "switch-over"
    return phase(scene.guest, scene.console("source")) or "before"


def _end(scene: Scene, result: Result) -> None:
    """Let those who asked for the move come to their end, and hear what they say."""
    for command in filter(None, (scene.command, scene.second)):
        rc = command.wait(DEADLINE)
        if rc is None:
            result.wrong.append(f"{' '.join(command.argv[:1])} did not end within {DEADLINE:.0f} s")
        elif rc != 0 and not command.killed and scene.way != "cluster":
            judge_message(told(command.output), command.output, scene, result)


def _again(system: System, scene: Scene, result: Result) -> None:
    """Give the same command again, unless everything is in order without."""
    seen = system.cluster().status()
    guest = seen.resource(scene.guest)
    live = read(system.cluster().query())
    arrived = guest is not None and guest.running and guest.node in {scene.target, scene.third if scene.second else ""}
    if arrived and not seen.failures and not constraints(live, scene.guest):
        judge_cluster(system, result)
        return
    command = migrate(scene.guest, scene.target, scene.third)
    rc = command.wait(DEADLINE)
    result.helped.append("migrate")
    if rc != 0:
        message = told(command.output)
        declared = play("guests", guests=system.guests)
        result.helped.append(f"guests ({message or command.output[-200:]})")
        if declared.rc != 0:
            result.wrong.append(f"guests.yml: {declared.failures}")
        elif not _down(guest):
            result.wrong.append(f"given again, the command failed: {message or command.output[-400:]}")
    judge_cluster(system, result)


def _down(guest: ResourceStatus | None) -> bool:
    """Whether the guest was not running, so that it could not be moved."""
    return guest is None or not guest.active
