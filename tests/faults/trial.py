# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One fault: a guest moves, the fault strikes in its phase, and afterwards everything has to be as if it had not.

That is: the guest runs exactly once and never ran twice, the session to it lives where the fault itself did not have
to end it, a VM that was not started anew has in memory what it had, the cluster has nothing failed, nothing is left on
any node, and whoever asked for the move was told what happened. The same command given again then finishes the move.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration, read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker, Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ResourceStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout, wait_for
from ansible_collections.cspp.drover.plugins.module_utils.measure.probe import ProbeError
from ansible_collections.cspp.drover.tests.clients import Session, SessionProbe

from ..verify.lab import JOURNAL, Lab, address, wait_until_answering
from ..verify.plays import ENVIRONMENT, INVENTORY, ROOT, play
from .catalogue import Case, Fault, Way, open_up
from .console import Console
from .watch import Lifecycle, Watcher, phase

__all__ = ["Command", "Result", "Scene", "Trial", "told", "unexpected"]

#: Seconds for a move to begin, and to come to a phase.
_BEGINS_WITHIN = 60.0
#: Seconds from the end of the fault until everything is in order, and nothing is left.
DEADLINE = 150.0
#: A half copy of a container may wait a minute for somebody to go on with it.
_LEFT_BEHIND_FOR = 80.0
#: Seconds in which a lost node is fenced and switched on again, before somebody comes and presses the button.
_FENCED_WITHIN = 40.0
#: Seconds within which a session that lives has to say something.
_SAYS_WITHIN = 3.0
#: Lines a second that the session sends, enough for every look of the watcher to see the VM at work.
_RATE = 25
_BOOT_PORT, _LOAD_PORT = 8, 9
#: Seconds in which a VM makes, and sums up, as much random data as a fault wants it to hold.
_HELD_WITHIN = 180.0
#: Seconds in which a VM writes on its disk what is to be there for the rest of the run.
_WRITTEN_WITHIN = 15.0

#: What is on a node that a move may have left there. The peers' service is one process; a second one serves a move.
_LOOK = r"""
import glob, json, os, subprocess
def out(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.split()
def words(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().rstrip("\0").split("\0")
    except OSError:
        return [""]
found = {}
every = [words(pid) for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]
found["peers"] = max(0, sum(any(word.endswith("/bin/peer") for word in line) for line in every) - 1)
found["agents"] = [" ".join(line) for line in every if any("resource.d/drover/" in word for word in line)]
found["jobs"] = [line[0] for line in every if any("guest_migrate" in word for word in line)]
found["vms"] = sorted({w.split("guest=")[1].split(",")[0] for line in every for w in line
    if "qemu-system" in line[0] and w.startswith("guest=")})
found["definitions"] = sorted(out("virsh", "list", "--all", "--name"))
found["deaf"] = sorted({path.split("/")[4] for path in glob.glob("/sys/class/net/*/brport/*_flood")
    if open(path).read().strip() == "0"})
found["progress"] = sorted(os.path.basename(path) for path in glob.glob("/run/drover/moves/*.json"))
found["reports"] = sorted(os.path.basename(path) for path in glob.glob("/run/drover/moves/arrived/*"))
found["drafts"] = sorted(path for path in glob.glob("/run/drover/moves/**/.*", recursive=True))
found["disks"] = sorted(path for path in glob.glob("/srv/drover/local/*/*/*"))
found["tables"] = [word for word in out("nft", "list", "tables") if word == "fault"]
print(json.dumps(found))
"""

#: Of a container, what nobody in it changes. A copy has other times of access and of change.
_SUM = r"""
set -o pipefail
cd /srv/drover/local/containers/shed/rootfs || exit 1
tar --create --sort=name --xattrs --acls --numeric-owner --file=- \
    --pax-option='exthdr.name=%d/pax/%f,delete=atime,delete=ctime' usr | sha256sum
"""

#: Whether its processor works and its interface carries frames shows by comparing the two looks.
_POST_MORTEM = r"""
virsh domstate --reason "$1"
look() {
    for what in 'info status' 'info registers' 'info network'; do virsh qemu-monitor-command "$1" --hmp "$what"; done
    for link in $(ls -d /sys/class/net/"$1"-*); do ip -s -d link show dev "${link##*/}"; done
}
look "$1"; sleep 2; look "$1"
bridge fdb show
# Its console has a shell, which may know what its services wait for.
tty=$(virsh ttyconsole "$1")
if [ -c "$tty" ]; then
    {
        printf '\n'
        sleep 2
        printf 'cd /proc; cat uptime interrupts; dmesg | tail; ps\n'
        printf 'for p in [0-9]*; do echo $p $(cat $p/comm $p/wchan $p/stack); done\n'
        sleep 5
    } > "$tty"
fi
tail -n 300 /var/log/libvirt/qemu/"$1".console.log
"""

_BEGIN = r"""
import sys
sys.path.insert(0, sys.argv[3])
from drover.cluster.cib import read
from drover.cluster.pacemaker import Pacemaker
from drover.planning import move
cluster = Pacemaker()
status = cluster.status()
cluster.apply(lambda cib: move.plan(sys.argv[1], sys.argv[2], read(cib), status).wanted, check=False)
"""


@dataclass
class Result:
    """What one fault came to. ``seen`` is where the move was when it struck, as far as could be seen."""

    fault: str
    phase: str
    way: str
    route: str = ""
    seen: str = ""
    injected: bool = False
    seconds: float = 0.0
    silence: float | None = None
    session: str = ""
    lost: bool = False
    twice: list[str] = field(default_factory=list)
    broken: str = ""
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    helped: list[str] = field(default_factory=list)
    #: What a VM that was lost looked like, by node.
    found: dict[str, str] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        return not (self.lost or self.twice or self.broken or self.left or self.wrong)


class Command:
    """``ansible`` or ``ansible-playbook``, as a user runs it."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = list(argv)
        self.killed = False
        self._process = subprocess.Popen(
            self.argv,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait(self, timeout: float) -> int | None:
        """Its exit status; None when it does not end in time."""
        try:
            self.output, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self.output, _ = self._process.communicate(timeout=10)
            return None
        return self._process.returncode

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it at once, with all that it has started here."""
        self.killed = True
        try:
            os.killpg(self._process.pid, 9)
        except ProcessLookupError:
            return


def told(output: str) -> str:
    """What a failed command told its user: the messages of its failed and unreachable hosts."""
    messages = []
    for match in re.finditer(r"(?:FAILED|UNREACHABLE)! => ", output):
        try:
            found, _end = json.JSONDecoder().raw_decode(output, match.end())
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("msg"):
            messages.append(str(found["msg"]))
    return "\n".join(messages)


class Scene:
    """The cast of one fault: a guest, the nodes by their part in its move, and whoever asked for it."""

    def __init__(self, trial: Trial, case: Case, way: Way, chance: random.Random) -> None:
        self._trial = trial
        self.fault: Fault = case.fault
        self.way = way
        self.guest = case.fault.guest
        self.source = self.where()
        self.target, self.third = chance.sample([name for name in trial.lab.nodes if name != self.source], 2)
        acts = next(iter(trial.lab.nodes))  # where a play acts
        if way == "play" and case.fault.runner:
            if acts == self.source:
                self.way = "module"
            elif acts != self.node(case.fault.runner):
                self.target, self.third = self.third, self.target
        self.command: Command
        self.second: Command | None = None
        #: How many processes the fault ended, where it ends processes.
        self.struck = 1

    def node(self, part: str) -> str:
        return {"source": self.source, "target": self.target, "third": self.third}[part]

    def lab_console(self, node: str) -> Console:
        return self._trial.consoles[node]

    def console(self, part: str) -> Console:
        return self.lab_console(self.node(part))

    def address(self, part: str) -> str:
        return self._trial.lab.nodes[self.node(part)].address

    def where(self) -> str:
        """The node on which the guest runs, by the cluster's word."""
        seen = self._trial.cluster().status().resource(self.guest)
        if seen is None or seen.node is None:
            raise CommandError(f"{self.guest} is {'unknown' if seen is None else f'on {seen.nodes}'}")
        return seen.node

    def tell(self, line: str, timeout: float = 20.0) -> str:
        """Tell the VM's load service something. Its answer, empty when none comes within ``timeout`` seconds."""
        where = address(self._trial.guests[self.guest])
        with socket.create_connection((where, _LOAD_PORT), 5) as connection:
            connection.sendall(line.encode() + b"\n")
            connection.settimeout(timeout)
            try:
                return connection.recv(200).decode().strip()
            except OSError:
                return ""

    def memory(self) -> str:
        """The checksum of what the VM holds in memory; empty when it holds nothing."""
        return self.tell("sum", _HELD_WITHIN)

    def try_on(self, part: str, argv: Sequence[str]) -> None:
        """Run a program that may well fail."""
        try:
            self.console(part).run(argv, ok=None)
        except CommandError:
            return

    def arrived(self) -> bool:
        """Whether the guest is at the target and nowhere else, by the cluster's word."""
        seen = self._trial.cluster().status().resource(self.guest)
        return seen is not None and seen.nodes == (self.target,)

    def take_home(self) -> None:
        """Move the guest back to where it was."""
        command = self._trial.migrate(self.guest, self.source, self.third)
        if command.wait(DEADLINE) != 0:
            raise CommandError(f"{self.guest} does not go back to {self.source}: {command.output[-300:]}")

    def path(self) -> list[str]:
        """What the guest's last move went through, by the journal as the node has it that the guest left."""
        lines = self.console("source").read(f"{JOURNAL}/moves.jsonl").splitlines()
        moves = [move for line in lines if (move := json.loads(line))["guest"] == self.guest]
        return list(moves[-1].get("path") or ()) if moves else []

    def start(self, to: str) -> Command:
        """Ask for the move to a node."""
        if self.way == "play":
            variables = json.dumps({"guest": self.guest, "to": to})
            return Command(["ansible-playbook", "-i", str(INVENTORY), "playbooks/migrate.yml", "-e", variables])
        runner = self.node(self.fault.runner or "third")
        if self.way == "cluster":
            library = self._trial.lab.library(self.node("third"))
            return Command(self.console("third").argv(["python3", "-c", _BEGIN, self.guest, to, library]))
        return self._trial.migrate(self.guest, to, runner)


class Trial:
    """Faults on one lab, one after the other."""

    def __init__(self, lab: Lab, guests: Mapping[str, Mapping[str, Any]]) -> None:
        self.lab = lab
        self.guests = {name: dict(guest) for name, guest in guests.items()}
        #: What earlier faults left behind, which is not this one's.
        self._left_before: list[str] = []
        self._written: set[str] = set()
        self.consoles = {name: Console(name, lab.folder / "nodes" / name) for name in lab.nodes}
        for console in self.consoles.values():
            open_up(console)  # what ran before may have been killed

    def cluster(self, *, but: Sequence[str] = ()) -> Pacemaker:
        """The cluster as a member sees it that is up."""
        for name, console in self.consoles.items():
            if name not in but and console.leader() is not None:
                return Pacemaker(console.run)
        raise CommandError("no node has power")

    def migrate(self, guest: str, to: str, runner: str) -> Command:
        arguments = f"guest={guest} to={to}"
        module = "cspp.drover.guest_migrate"
        return Command(["ansible", runner, "-i", str(INVENTORY), "-m", module, "-a", arguments])

    def run(self, case: Case, chance: random.Random) -> Result:
        """One fault from a guest at rest to a guest at rest."""
        way = chance.choice(case.fault.ways)
        result = Result(case.fault.name, case.phase, way)
        begun = time.monotonic()
        try:
            scene = Scene(self, case, way, chance)
            result.way, result.route = scene.way, f"{scene.source} -> {scene.target}"
            self._strike(scene, case, result)
        except (CommandError, ClusterError, WaitTimeout, ProbeError, OSError) as error:
            result.wrong.append(f"the trial itself: {error!r}")
        result.seconds = round(time.monotonic() - begun, 1)
        if result.lost or result.wrong:
            if self.guests[case.fault.guest]["kind"] == "vm":
                result.found = self._found(case.fault.guest)
            self._clear(case.fault.guest)
        return result

    def _clear(self, guest: str) -> None:
        """After something went wrong: everything of a guest ended, and the guest started anew, for the next fault."""
        for console in self.consoles.values():
            console.kill([*console.find("qemu-system", f"guest={guest},"), *console.find("[lxc monitor]", guest)])
            open_up(console)
        for name in self.consoles:
            if self.consoles[name].leader() is None:
                self.lab.power(name, "on")
        with suppress(CommandError, ClusterError, WaitTimeout):
            member = next(console for console in self.consoles.values() if console.leader() is not None)
            for kind in ("move", "back"):
                where = f"//rsc_location[@id='drover-{kind}-{guest}']"
                member.run(["cibadmin", "--delete", "--force", "--xpath", where], ok=None)
            for key in ("maintenance", "drover-recovery"):
                member.run(["crm_resource", "--resource", guest, "--meta", "--delete-parameter", key], ok=None)
            member.run(["crm_resource", "--refresh", "--resource", guest], ok=None)
            self.cluster().settle(
                [guest],
                what=f"{guest} started anew",
                timeout=DEADLINE,
                done=lambda now: self._at_rest(now) and bool((of := now.status.resource(guest)) and of.running),
            )
            wait_until_answering(self.guests[guest], timeout=DEADLINE)

    # --- the fault -----------------------------------------------------------------------------------------------

    def _strike(self, scene: Scene, case: Case, result: Result) -> None:
        fault, guest = scene.fault, self.guests[scene.guest]
        virtual = guest["kind"] == "vm"
        boot = self._boot(guest) if virtual else ""
        memory = self._hold(scene) if virtual else ""
        stored = self._stored(scene)
        fault.prepare(scene)
        session = SessionProbe(address(guest), rate=_RATE) if virtual else None
        watcher = Watcher(scene.guest, self.consoles)
        watcher.start()
        if session is not None:
            session.start()
        lifecycle = Lifecycle(scene.guest, scene.console("source")) if virtual else None
        time.sleep(0.3)
        try:
            scene.command = scene.start(scene.target)
            result.injected = self._reach(scene, case.phase, lifecycle)
            result.seen = self._seen(scene, lifecycle)
            if result.injected:
                fault.inject(scene)
                result.injected = scene.struck > 0
            if result.injected and fault.hold is not None:
                time.sleep(fault.hold)
                fault.undo(scene)
            self._end(scene, result)
            if fault.hold is None:
                self._await_end(scene)
                path = scene.path()
                if fault.path and not any(word.startswith(fault.path) for word in path):
                    result.wrong.append(f"it was to go through {fault.path!r}, and went through {path}")
                fault.undo(scene)
            self._settle()
            self._again(scene, result)
            if virtual and self._boot(guest) == boot and (now := scene.memory()) != memory:
                result.wrong.append(f"its memory is not what it was: {now or 'no answer'}, before {memory}")
            if (now := self._stored(scene)) != stored:
                result.wrong.append(f"what it has stored is not what it was: {now or 'no answer'}, before {stored}")
            left = self._leftovers(scene.guest)
            result.left = [one for one in left if one not in self._left_before]
            self._left_before = left
        finally:
            result.twice = watcher.stop()
            result.lost = not self._runs_once(scene.guest)
            if lifecycle is not None:
                lifecycle.stop()
            if session is not None:
                self._judge_session(session.stop(), fault, result, boot)

    def _hold(self, scene: Scene) -> str:
        """The checksum of what the VM holds, which gets something to hold when it has nothing."""
        memory = scene.memory()
        if not memory:
            wanted = scene.fault.holds
            said = scene.tell(f"fill {wanted}", _HELD_WITHIN)
            if said != f"holding {wanted} MiB":
                raise CommandError(f"{scene.guest} does not fill {wanted} MiB: {said or 'no answer'}")
            memory = scene.memory()
        return memory

    def _stored(self, scene: Scene) -> str:
        """The checksum of what a guest has on its node's own storage and does not change; empty for the others."""
        if scene.guest == "vault":
            if scene.guest not in self._written:
                scene.tell("write 96")
                time.sleep(_WRITTEN_WITHIN)
                self._written.add(scene.guest)
            if not (stored := scene.tell("read", _HELD_WITHIN)):
                raise CommandError(f"{scene.guest} does not say what is on its disk")
            return stored
        if scene.guest == "shed":
            return self.consoles[scene.where()].run(["bash", "-c", _SUM], timeout=120).stdout.strip()
        return ""

    def _reach(self, scene: Scene, wanted: str, lifecycle: Lifecycle | None) -> bool:
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

    def _seen(self, scene: Scene, lifecycle: Lifecycle | None) -> str:
        if lifecycle is not None and lifecycle.gone.is_set():
            return "arrived"
        if lifecycle is not None and lifecycle.suspended.is_set():
            return "switch-over"
        return phase(scene.guest, scene.console("source")) or "before"

    # --- afterwards ----------------------------------------------------------------------------------------------

    def _end(self, scene: Scene, result: Result) -> None:
        """Let those who asked for the move come to their end, and hear what they say."""
        for command in filter(None, (scene.command, scene.second)):
            rc = command.wait(DEADLINE)
            if rc is None:
                result.wrong.append(f"{' '.join(command.argv[:1])} did not end within {DEADLINE:.0f} s")
            elif rc != 0 and not command.killed and scene.way != "cluster":
                self._judge_message(told(command.output), command.output, scene, result)

    def _judge_message(self, message: str, output: str, scene: Scene, result: Result) -> None:
        result.messages.append(message)
        if not message:
            result.wrong.append(f"failed without a message: {output[-300:]!r}")
            return
        if scene.fault.name.startswith(("node that runs the play", "job on the node")):
            return  # it was Ansible that spoke, of a node or a job that it lost
        missing = [word for word in (scene.guest, scene.source) if word not in message]
        if missing or not re.search(r"node\d", message.replace(scene.source, "", 1)):
            result.wrong.append(f"the message names no {' nor '.join(missing) or 'target'}: {message!r}")
        if "left no word of why" in message and "agent killed" not in scene.fault.name:
            result.wrong.append(f"the message tells no cause: {message!r}")

    def _await_end(self, scene: Scene) -> None:
        """Until nothing is under way for the guest."""
        self.cluster().settle([scene.guest], what="the end of the move", timeout=DEADLINE)

    def _settle(self) -> None:
        """Until every node is back and the cluster is at rest."""
        begun = time.monotonic()
        pressed: set[str] = set()
        while True:
            waited = time.monotonic() - begun
            for name, console in self.consoles.items():
                if console.leader() is None and name not in pressed and waited > _FENCED_WITHIN:
                    # Fencing ends with the power on again; an operator who presses the button as well does no harm.
                    self.lab.power(name, "on")
                    pressed.add(name)
            try:
                seen = self.cluster().look()
                if self._at_rest(seen):
                    return
                last = str(seen)
            except (CommandError, ClusterError) as error:
                last = str(error)
            if waited > DEADLINE:
                raise WaitTimeout("rest after the fault", last, DEADLINE)
            time.sleep(0.5)

    def _at_rest(self, seen: Snapshot) -> bool:
        usable = {node.name for node in seen.status.nodes if node.usable}
        whole = usable == set(self.lab.nodes) and seen.status.quorum
        return whole and seen.idle(list(self.guests)) and not seen.ahead.sentences()

    def _judge_session(self, seen: Session, fault: Fault, result: Result, boot: str) -> None:
        may_end = fault.session == "may end" or (
            fault.session == "lives unless switched" and result.seen in ("switch-over", "arrived")
        )
        result.silence = round(seen.silence, 2)
        # Everything that TCP took is echoed in the end, unless nobody is there any more to do it.
        mute = seen.sent - seen.received > _RATE * _SAYS_WITHIN
        result.session = "lived" if seen.alive and not mute else f"ended ({seen.broken or 'silent'})"
        if result.session != "lived" and not may_end:
            now = self._boot(self.guests[fault.guest])
            result.broken = f"{result.session}, the guest {'goes on' if now == boot else 'was started anew'}"

    def _again(self, scene: Scene, result: Result) -> None:
        """Give the same command again, unless everything is in order without."""
        seen = self.cluster().status()
        guest = seen.resource(scene.guest)
        live = read(self.cluster().query())
        arrived = (
            guest is not None and guest.running and guest.node in {scene.target, scene.third if scene.second else ""}
        )
        if arrived and not seen.failures and not self._constraints(live, scene.guest):
            self._cluster_in_order(result)
            return
        command = self.migrate(scene.guest, scene.target, scene.third)
        rc = command.wait(DEADLINE)
        result.helped.append("migrate")
        if rc != 0:
            message = told(command.output)
            declared = play("guests", guests=self.guests)
            result.helped.append(f"guests ({message or command.output[-200:]})")
            if declared.rc != 0:
                result.wrong.append(f"guests.yml: {declared.failures}")
            elif not self._down(guest):
                result.wrong.append(f"given again, the command failed: {message or command.output[-400:]}")
        self._cluster_in_order(result)

    def _down(self, guest: ResourceStatus | None) -> bool:
        """Whether the guest was not running, so that it could not be moved."""
        return guest is None or not guest.active

    def _cluster_in_order(self, result: Result) -> None:
        seen = self.cluster().status()
        result.wrong += [f"on record: {failure}" for failure in seen.failures]
        for resource in seen.resources:
            if not resource.running and resource.agent.startswith("ocf:drover:"):
                result.wrong.append(f"{resource.name} is {resource.word} on {', '.join(resource.nodes) or 'no node'}")

    @staticmethod
    def _constraints(live: Configuration, guest: str) -> list[str]:
        return sorted(name for name in live.constraints if name in (f"drover-move-{guest}", f"drover-back-{guest}"))

    def _runs_once(self, name: str) -> bool:
        """The cluster's word, this machine's process table and the guest's own answer."""
        try:
            wait_until_answering(self.guests[name], timeout=60)
            seen = self.cluster().status().resource(name)
        except (WaitTimeout, CommandError, ClusterError):
            return False
        return seen is not None and seen.running and self._processes(name) == 1

    def _found(self, name: str) -> dict[str, str]:
        """What each node and its QEMU say of a VM that does not answer, before it is ended."""
        found = {}
        for node, console in self.consoles.items():
            with suppress(CommandError):
                found[node] = console.run(["sh", "-c", _POST_MORTEM, "sh", name], ok=None, timeout=60).stdout
        return found

    def _processes(self, name: str) -> int:
        return self.lab.instances(name)[name]

    def _boot(self, guest: Mapping[str, Any]) -> str:
        try:
            with socket.create_connection((address(dict(guest)), _BOOT_PORT), 5) as connection:
                connection.settimeout(5)
                return connection.recv(100).decode().strip()
        except OSError:
            return "no answer"

    def _leftovers(self, guest: str) -> list[str]:
        """What is still there some time after the move; each kind is looked for again and again until it is gone."""
        try:
            wait_for(
                lambda: self._left(guest), lambda left: not left, what="order", timeout=_LEFT_BEHIND_FOR, interval=1.0
            )
        except WaitTimeout as error:
            left: list[str] = error.last
            return left
        return []

    def _left(self, guest: str) -> list[str]:
        status = self.cluster().status()
        live = read(self.cluster().query())
        found = [f"constraint {name}" for name in self._constraints(live, guest)]
        found += [
            f"{name}: meta {key}"
            for name, primitive in live.guests().items()
            for key in ("maintenance", "drover-recovery")
            if key in primitive.meta
        ]
        for name, console in self.consoles.items():
            look = json.loads(console.run(["python3", "-c", _LOOK], timeout=40).stdout)
            here = sorted(
                vm for vm, declared in self.guests.items() if getattr(status.resource(vm), "node", None) == name
            )
            found += unexpected(name, look, here)
        return found


def unexpected(node: str, look: Mapping[str, Any], here: Sequence[str]) -> list[str]:
    """What a node has that it should not have: ``here`` are the guests that run there."""
    found = [f"{node}: VM {name} runs" for name in look["vms"] if name not in here]
    found += [f"{node}: libvirt knows {name}" for name in look["definitions"] if name not in here]
    found += [
        f"{node}: {path}"
        for path in look["disks"]
        if path.split("/")[5] not in here or path.split("/")[6].startswith(("incoming", "arrived", "moved", "gone"))
    ]
    if look["peers"]:
        found.append(f"{node}: {look['peers']} processes of drover-peer")
    names: dict[str, str] = {
        "agents": "agent",
        "jobs": "job",
        "deaf": "no flooding to",
        "progress": "progress file",
        "reports": "report of an arrival",
        "drafts": "draft",
        "tables": "firewall table",
    }
    for key, what in names.items():
        # An agent that looks after a guest comes and goes.
        found += [f"{node}: {what} {one}" for one in look[key] if not (key == "agents" and one.endswith(" monitor"))]
    return found
