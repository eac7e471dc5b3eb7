# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways to move a VM: virsh at a shell, Pacemaker through its stock agent, and Drover."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for

from ...verify.plays import play
from .rig import SETTLING, Rig

__all__ = ["UNFILTERED", "WAYS", "Drover", "Order", "Way"]


class Order(NamedTuple):
    """A move that was ordered: when, in seconds since the epoch, why it failed, if that is known by now, and when
    whoever carries it out had the order."""

    begun: float
    error: str | None = None
    placed: float | None = None


class Way(Protocol):
    """How a VM is moved."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    @property
    def vm(self) -> str:
        """The VM it moves."""

    @property
    def about(self) -> str:
        """What it does, for those who want to repeat it."""

    @property
    def filtered(self) -> bool:
        """Whether the nodes' packet filter is on meanwhile."""

    def move(self, rig: Rig, source: str, target: str, patience: float) -> Order:
        """Order the move."""

    def settle(self, rig: Rig, source: str, target: str, error: str | None) -> None:
        """Return when nothing more happens because of it, and the VM runs where it may."""


@dataclass(frozen=True)
class Virsh:
    """A line at a shell of the source, with what libvirt does by default."""

    name: str
    options: str = ""
    vm: str = "bare"
    filtered: bool = True

    @property
    def about(self) -> str:
        return f"virsh migrate --live --p2p{self.options} GUEST qemu+tls://NODE/system tcp://NODE"

    def move(self, rig: Rig, source: str, target: str, patience: float) -> Order:
        line = self.about.replace("GUEST", self.vm).replace("NODE", target)
        # Interrupted, virsh calls the migration off.
        begun, rc, said = rig.shell(source, f"exec timeout -s INT {patience:.0f} {line}", timeout=patience + 30)
        if rc == 0:
            return Order(begun)
        return Order(begun, f"did not end within {patience:.0f} s" if rc == 124 else said or f"virsh exited with {rc}")

    def settle(self, rig: Rig, source: str, target: str, error: str | None) -> None:
        rig.where(self.vm)


class Stock:
    """The agent that comes with Pacemaker's resource agents."""

    name = vm = "stock"
    filtered = True
    about = "crm_resource --move of an ocf:heartbeat:VirtualDomain with migration_transport=tls"

    def move(self, rig: Rig, source: str, target: str, patience: float) -> Order:
        begun, rc, said = rig.shell(source, f"crm_resource --move --resource stock --node {target}")
        return Order(begun, None if rc == 0 else said)

    def settle(self, rig: Rig, source: str, target: str, error: str | None) -> None:
        if error:
            rig.shell(source, "virsh domjobabort stock")
        # A migration that failed is followed by a restart: where, is its own business.
        rig.settled("stock")
        rig.shell(source, "crm_resource --clear --resource stock; crm_resource --cleanup --resource stock")
        rig.settled("stock")


@dataclass(frozen=True)
class Drover:
    """What the module guest_migrate does on a node, without Ansible around it: the agents do the rest in any case."""

    name: str = "drover"
    vm: str = "drover"
    filtered: bool = True
    about: str = (
        "the constraint of guest_migrate, put in by its own code on the source; Pacemaker and Drover's agent do it"
    )

    MOVE: ClassVar[str] = """
begun = time.time()
from drover.cluster.cib import read
from drover.cluster.pacemaker import Pacemaker
from drover.planning import move
guest, to = sys.argv[1:]
cluster = Pacemaker()
status = cluster.status()
cluster.apply(lambda cib: move.plan(guest, to, read(cib), status).wanted, check=False)
print(json.dumps([begun, time.time()]))
"""
    FINISH: ClassVar[str] = """
from drover.cluster.pacemaker import Pacemaker
from drover.planning import move
Pacemaker().apply(lambda cib: move.finished(sys.argv[1]), check=False)
print(json.dumps(None))
"""

    def move(self, rig: Rig, source: str, target: str, patience: float) -> Order:
        try:
            begun, placed = rig.script(source, self.MOVE, self.vm, target)
        except CommandError as error:
            return Order(time.time(), str(error))
        return Order(begun, placed=placed)

    def settle(self, rig: Rig, source: str, target: str, error: str | None) -> None:
        if error is None:
            rig.settled(self.vm)
            rig.script(target, self.FINISH, self.vm)
            return
        rig.shell(source, f"virsh domjobabort {self.vm}")
        # The play puts in order what a failed move left, before it does what it is asked for: nothing.
        wait_for(lambda: rig.where(self.vm), bool, what=f"the end of the move of {self.vm}", timeout=SETTLING)
        play("migrate", guest=self.vm, to=source)
        rig.settled(self.vm)


#: Drover's way on nodes that filter nothing.
UNFILTERED = "unfiltered"

WAYS: tuple[Way, ...] = (
    Virsh("virsh"),
    Virsh("virsh-tls", " --tls"),
    Stock(),
    Drover(),
    Drover(UNFILTERED, filtered=False, about="the same with network_guest_filter: false, which takes its firewall too"),
)
