# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Three VMs of one shape on a lab, and the ways to move one.

All are rendered by Drover and started from the same image. One is Drover's; one is Pacemaker's through its stock
agent; one is nobody's, for virsh. So no way has to clean up after another, and Pacemaker is never in virsh's numbers.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol
from xml.etree import ElementTree as ET

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.domain_xml import render

from ...verify.lab import Lab
from ...verify.plays import play, succeed
from .figures import Event, parse_event, passage

__all__ = ["FOLDER", "WAYS", "BenchError", "Events", "Order", "Rig", "Vm", "Way", "ask"]

_LOAD_PORT, _BOOT_PORT = 9, 8
_CONF = "/etc/libvirt/qemu.conf"
_FORCED = "migrate_tls_force = 1"
#: Where the bench keeps its files, the same on all nodes.
FOLDER = PurePosixPath("/srv/drover/shared/bench")
#: Seconds that Pacemaker gets for what follows a move.
_SETTLING = 60


class BenchError(DroverError):
    """The bench cannot go on."""


@dataclass(frozen=True)
class Vm:
    """A VM under test."""

    name: str
    address: str

    def ask(self, line: str, timeout: float = 120) -> str:
        """What its load service answers (see /etc/load in the image tiny)."""
        return ask(self.address, line, timeout)

    def boot(self) -> str:
        """What tells this boot from any other."""
        with socket.create_connection((self.address, _BOOT_PORT), 5) as connection:
            connection.settimeout(5)
            return connection.makefile().readline().strip()

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self.boot())
        except OSError:
            return False


def ask(address: str, line: str, timeout: float) -> str:
    """One request to a tiny VM's load service."""
    with socket.create_connection((address, _LOAD_PORT), 5) as connection:
        connection.settimeout(timeout)
        connection.sendall(f"{line}\n".encode())
        return connection.makefile().readline().strip()


class Events:
    """What the QEMUs of all nodes say, from QEMU itself, whoever moves them. The lab's nodes share one clock."""

    def __init__(self, lab: Lab) -> None:
        self._seen: list[Event] = []
        self._streams = []
        for node in lab.nodes:
            argv = [*lab.ssh_argv(node), "stdbuf -oL virsh qemu-monitor-event --timestamp --loop"]
            stream = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            self._streams.append(stream)
            threading.Thread(target=self._read, args=(node, stream), daemon=True).start()

    def _read(self, node: str, stream: subprocess.Popen[str]) -> None:
        assert stream.stdout is not None
        for line in stream.stdout:
            event = parse_event(node, line)
            if event is not None:
                self._seen.append(event)

    def passage(self, vm: str, source: str, target: str, since: float, patience: float) -> tuple[float, float] | None:
        """When the VM stopped and went on, as soon as it has; None when it has not within ``patience`` seconds."""
        until = time.monotonic() + patience
        while True:
            found = passage(self._seen, vm, source, target, since)
            if found is not None or time.monotonic() > until:
                return found
            if any(stream.poll() is not None for stream in self._streams):
                raise BenchError("a node stopped telling QEMU's events: did its libvirt restart?")
            time.sleep(0.02)

    def forget(self) -> None:
        """Forget what was seen so far."""
        self._seen.clear()

    def close(self) -> None:
        for stream in self._streams:
            stream.terminate()


@dataclass(frozen=True)
class Rig:
    """The lab, set up for a bench: VMs, each called after whose it is: ``drover``, ``stock`` and ``bare``."""

    lab: Lab
    vms: dict[str, Vm]
    _libraries: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def build(cls, lab: Lab, memory: str, names: Collection[str]) -> Iterator[Rig]:
        """Make these VMs. At the end, whatever happened, the lab is as it was, save that Drover's VM runs on."""
        prefix = str(lab.description["subnet"]).rsplit(".", 1)[0]
        vms = {
            name: Vm(name, f"{prefix}.{160 + i}") for i, name in enumerate(("drover", "stock", "bare")) if name in names
        }
        rig = cls(lab, vms)
        with ExitStack() as stack:
            rig._remove_foreigners()
            stack.callback(rig._remove_foreigners)
            rig._declare(memory)
            stack.enter_context(rig._unforced())
            rig._create_foreigners()
            yield rig

    def where(self, vm: str) -> str:
        """The one node on which the VM runs, by libvirt."""
        found = [node for node in self.lab.nodes if vm in self._on(node, "virsh", "list", "--name").split()]
        if len(found) != 1:
            raise BenchError(f"{vm} runs on {found or 'no node'}")
        return found[0]

    def outcome_ms(self, vm: str, node: str) -> int | None:
        """The pause of the last migration, as libvirt at the target counts it."""
        said = self.script(
            node,
            "from drover.hypervisor.libvirt_host import LibvirtHost as H\nprint(json.dumps(H().outcome(sys.argv[1])))",
            vm,
        )
        return int(said[1]) if said else None

    def _library(self, node: str) -> str:
        if node not in self._libraries:
            self._libraries[node] = self.lab.library(node)
        return self._libraries[node]

    def script(self, node: str, text: str, *argv: str) -> Any:
        """Run Python on a node, with Drover's code. Returns what it printed as JSON."""
        run = self.lab.ssh(node)
        done = run(
            ["env", f"PYTHONPATH={self._library(node)}", "python3", "-", *argv],
            stdin=f"import json, sys, time\n{text}\n",
            timeout=120,
        )
        return json.loads(done.stdout)

    def shell(self, node: str, command: str, *, timeout: float = 60) -> tuple[float, int, str]:
        """Run a shell's command on a node. Returns when it began, its exit status and what it said."""
        done = self.lab.ssh(node)(["sh", "-c", f"date +%s.%N; exec 2>&1; {command}"], timeout=timeout, ok=None)
        begun, _, said = done.stdout.partition("\n")
        return float(begun), done.rc, said.strip()

    def settled(self, vm: str) -> str:
        """Where Pacemaker has it running, when it has nothing more to do with it."""
        seen = wait_for(
            lambda: self.lab.status().resource(vm),
            lambda resource: resource is not None and resource.running,
            what=f"Pacemaker's end of the move of {vm}",
            timeout=_SETTLING,
            interval=0.3,
        )
        assert seen is not None and seen.node is not None
        return seen.node

    def _on(self, node: str, *argv: str, **how: Any) -> str:
        return str(self.lab.ssh(node)(argv, **how).stdout)

    def _declare(self, memory: str) -> None:
        lab = self.lab.description
        bits = str(lab["subnet"]).partition("/")[2]

        def guest(vm: Vm) -> dict[str, Any]:
            nic = {"bridge": "br0", "address": f"{vm.address}/{bits}", "gateway": lab["gateway"]}
            return {"kind": "vm", "image": "tiny", "memory": memory, "nics": [nic]}

        guests = {name: guest(vm) for name, vm in self.vms.items()}
        succeed("guests", guests=guests, guests_allow_restart="all")
        primitives = self.lab.configuration().primitives
        node = next(iter(self.lab.nodes))
        accelerator = json.loads(self._on(node, "cat", "/etc/drover/accelerator.json"))["accelerator"]
        self._on(node, "mkdir", "-p", str(FOLDER))
        foreigners = [name for name in guests if name != "drover"]
        for name in foreigners:
            xml = render(json.loads(primitives[name].params["definition"]), accelerator)
            self._on(node, "sh", "-c", f"cat > {FOLDER / name}.xml", stdin=xml)
            guests[name]["state"] = "absent"  # its seed disk stays
        if foreigners:
            succeed("guests", guests=guests)

    def _create_foreigners(self) -> None:
        if "bare" in self.vms:
            self._on(next(iter(self.lab.nodes)), "virsh", "create", f"{FOLDER}/bare.xml")
        if "stock" in self.vms:
            self._create_stock()
        for vm in self.vms.values():
            wait_for(vm.answers, bool, what=f"an answer of {vm.name}", timeout=60, interval=0.2)

    def _create_stock(self) -> None:
        stock = ET.Element(
            "primitive", {"id": "stock", "class": "ocf", "provider": "heartbeat", "type": "VirtualDomain"}
        )
        params = {
            "config": f"{FOLDER}/stock.xml",
            "hypervisor": "qemu:///system",
            "migration_transport": "tls",
            # What it would tell of its size is not what Drover's nodes tell of theirs: it would have no place.
            **dict.fromkeys((f"autoset_utilization_{what}" for what in ("cpu", "host_memory", "hv_memory")), "false"),
        }
        for tag, values in (("instance_attributes", params), ("meta_attributes", {"allow-migrate": "true"})):
            element = ET.SubElement(stock, tag, id=f"stock-{tag}")
            for key, value in values.items():
                ET.SubElement(element, "nvpair", id=f"stock-{key}", name=key, value=value)
        operations = ET.SubElement(stock, "operations")
        for name, interval, timeout in (
            ("start", "0s", "90s"),
            ("stop", "0s", "90s"),
            ("monitor", "10s", "30s"),
            ("migrate_to", "0s", "120s"),
            ("migrate_from", "0s", "60s"),
        ):
            ET.SubElement(operations, "op", id=f"stock-{name}", name=name, interval=interval, timeout=timeout)
        xml = ET.tostring(stock, encoding="unicode")
        create = ["cibadmin", "--create", "--scope", "resources", "--xml-pipe"]
        self._on(next(iter(self.lab.nodes)), *create, stdin=xml)
        self.settled("stock")

    def _remove_foreigners(self) -> None:
        """All that is not Drover's, of an earlier run too."""
        lab = self.lab
        try:
            seen = lab.status().resource("stock")
        except CommandError:
            return  # no cluster yet
        if seen is not None and "heartbeat" in seen.agent:
            node = next(iter(lab.nodes))
            self._on(node, "crm_resource", "--clear", "--resource", "stock", ok=None)
            stop = ["--set-parameter", "target-role", "--meta", "--parameter-value", "Stopped"]
            self._on(node, "crm_resource", "--resource", "stock", *stop)
            wait_for(
                lambda: lab.status().resource("stock"),
                lambda seen: seen is None or not seen.active,
                what="the end of the stock agent's VM",
                timeout=_SETTLING,
            )
            self._on(node, "cibadmin", "--delete", "--scope", "resources", "--xml-text", '<primitive id="stock"/>')
            self._on(node, "crm_resource", "--cleanup", "--resource", "stock", ok=None)
        for node in lab.nodes:
            self._on(node, "virsh", "destroy", "bare", ok=None)

    @contextmanager
    def _unforced(self) -> Iterator[None]:
        """Let VMs migrate without encryption, as libvirt does by default and as Drover's nodes refuse to."""
        self._rewrite(_FORCED, f"#bench {_FORCED}")
        try:
            yield
        finally:
            self._rewrite(f"#bench {_FORCED}", _FORCED)

    def _rewrite(self, before: str, after: str) -> None:
        for node in self.lab.nodes:
            expression = f"s/^{before}$/{after}/"
            self._on(node, "sh", "-c", f"sed -i {shlex.quote(expression)} {_CONF} && systemctl restart libvirtd")


# --- ways ----------------------------------------------------------------------------------------------------


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


class Drover:
    """What the module guest_migrate does on a node, without Ansible around it: the agents do the rest in any case."""

    name = vm = "drover"
    about = "the constraint of guest_migrate, put in by its own code on the source; Pacemaker and Drover's agent do it"

    MOVE = """
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
    FINISH = """
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
        wait_for(lambda: rig.where(self.vm), bool, what=f"the end of the move of {self.vm}", timeout=_SETTLING)
        play("migrate", guest=self.vm, to=source)
        rig.settled(self.vm)


WAYS: tuple[Way, ...] = (Virsh("virsh"), Virsh("virsh-tls", " --tls"), Stock(), Drover())
