# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scene of a fault: the guest that moves, the nodes by their part in it, and whoever asked for it."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Sequence

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.lab.console import Console

from ..verify.lab import JOURNAL, address
from ..verify.plays import INVENTORY
from .catalogue import Case, Fault, Way
from .command import Command, migrate
from .system import DEADLINE, System

__all__ = ["HELD_WITHIN", "Scene"]

_LOAD_PORT = 9
#: Seconds in which a VM makes, and sums up, as much random data as a fault wants it to hold.
HELD_WITHIN = 180.0

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


class Scene:
    """The cast of one fault: a guest, the nodes by their part in its move, and whoever asked for it."""

    def __init__(self, system: System, case: Case, way: Way, chance: random.Random) -> None:
        self._system = system
        self.fault: Fault = case.fault
        self.way = way
        self.guest = case.fault.guest
        self.source = self.where()
        self.target, self.third = chance.sample([name for name in system.lab.nodes if name != self.source], 2)
        acts = next(iter(system.lab.nodes))  # where a play acts
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
        return self._system.consoles[node]

    def console(self, part: str) -> Console:
        return self.lab_console(self.node(part))

    def address(self, part: str) -> str:
        return self._system.lab.nodes[self.node(part)].address

    def where(self) -> str:
        """The node on which the guest runs, by the cluster's word."""
        seen = self._system.cluster().status().resource(self.guest)
        if seen is None or seen.node is None:
            raise CommandError(f"{self.guest} is {'unknown' if seen is None else f'on {seen.nodes}'}")
        return seen.node

    def tell(self, line: str, timeout: float = 20.0) -> str:
        """Tell the VM's load service something. Its answer, empty when none comes within ``timeout`` seconds."""
        where = address(self._system.guests[self.guest])
        with socket.create_connection((where, _LOAD_PORT), 5) as connection:
            connection.sendall(line.encode() + b"\n")
            connection.settimeout(timeout)
            try:
                return connection.recv(200).decode().strip()
            except OSError:
                return ""

    def memory(self) -> str:
        """The checksum of what the VM holds in memory; empty when it holds nothing."""
        return self.tell("sum", HELD_WITHIN)

    def try_on(self, part: str, argv: Sequence[str]) -> None:
        """Run a program that may well fail."""
        try:
            self.console(part).run(argv, ok=None)
        except CommandError:
            return

    def arrived(self) -> bool:
        """Whether the guest is at the target and nowhere else, by the cluster's word."""
        seen = self._system.cluster().status().resource(self.guest)
        return seen is not None and seen.nodes == (self.target,)

    def take_home(self) -> None:
        """Move the guest back to where it was."""
        command = migrate(self.guest, self.source, self.third)
        if command.wait(DEADLINE) != 0:
            raise CommandError(f"{self.guest} does not go back to {self.source}: {command.output[-300:]}")

    def path(self) -> list[str]:
        """What the guest's last move went through, by the journal as the node has it that the guest left."""
        lines = self.console("source").read(f"{JOURNAL}/moves.jsonl").splitlines()
        moves = [move for line in lines if (move := json.loads(line)).get("guest") == self.guest]
        return list(moves[-1].get("path") or ()) if moves else []

    def start(self, to: str) -> Command:
        """Ask for the move to a node."""
        if self.way == "play":
            variables = json.dumps({"guest": self.guest, "to": to})
            return Command(["ansible-playbook", "-i", str(INVENTORY), "playbooks/migrate.yml", "-e", variables])
        runner = self.node(self.fault.runner or "third")
        if self.way == "cluster":
            library = self._system.lab.library(self.node("third"))
            return Command(self.console("third").argv(["python3", "-c", _BEGIN, self.guest, to, library]))
        return migrate(self.guest, to, runner)
