# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rig of a bench: three VMs of one shape on a lab.

All are rendered by Drover and started from the same image. One is Drover's; one is Pacemaker's through its stock
agent; one is nobody's, for virsh. So no way has to clean up after another, and Pacemaker is never in virsh's numbers.
"""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.guest.definition import derived_mac, host_interface
from ansible_collections.cspp.drover.plugins.module_utils.hypervisor.domain_xml import render

from ...verify.lab import Lab
from ...verify.network import filtering
from ...verify.plays import succeed

__all__ = ["FOLDER", "SETTLING", "BenchError", "Rig", "Vm", "ask"]

_LOAD_PORT, _BOOT_PORT = 9, 8
_CONF = "/etc/libvirt/qemu.conf"
_FORCED = "migrate_tls_force = 1"
#: Where the bench keeps its files, the same on all nodes.
FOLDER = PurePosixPath("/srv/drover/shared/bench")
#: Names of the VMs, each called after whose it is.
_NAMES = ("drover", "stock", "bare")
#: Of Drover's VM: what the bench itself asks of it passes, by rules of which each has to be looked at.
FIREWALL: dict[str, list[dict[str, Any]]] = {
    "in": [
        {"protocol": "tcp", "port": 22, "from": ["192.0.2.0/24"]},
        {"protocol": "icmp"},
        {"protocol": "tcp", "port": "7-9"},
        {"protocol": "udp", "port": 7},
    ],
    "out": [{"protocol": "udp", "port": 53}],
}
#: Seconds that Pacemaker gets for what follows a move.
SETTLING = 60


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


@dataclass(frozen=True)
class Rig:
    """The lab, set up for a bench: VMs, each called after whose it is: ``drover``, ``stock`` and ``bare``."""

    lab: Lab
    vms: dict[str, Vm]
    _libraries: dict[str, str] = field(default_factory=dict)
    _filters: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def build(cls, lab: Lab, memory: str, names: Collection[str]) -> Iterator[Rig]:
        """Make these VMs. At the end, whatever happened, the lab is as it was, save that Drover's VM runs on."""
        prefix = str(lab.description["subnet"]).rsplit(".", 1)[0]
        vms = {name: Vm(name, f"{prefix}.{160 + i}") for i, name in enumerate(_NAMES) if name in names}
        rig = cls(lab, vms)
        with ExitStack() as stack:
            rig._remove_foreigners()
            stack.callback(rig._remove_foreigners)
            rig._declare(memory)
            stack.enter_context(rig._unforced())
            stack.callback(rig.filter, True)
            rig._create_foreigners()
            yield rig

    def where(self, vm: str) -> str:
        """The one node on which the VM runs, by libvirt."""
        found = [node for node in self.lab.nodes if vm in self._on(node, "virsh", "list", "--name").split()]
        if len(found) != 1:
            raise BenchError(f"{vm} runs on {found or 'no node'}")
        return found[0]

    @staticmethod
    def foreign_ports() -> list[str]:
        """Interfaces of the VMs that are not Drover's, of which packet filters let nothing pass unless told."""
        return [host_interface(name, derived_mac(name, 0)) for name in _NAMES if name != "drover"]

    def filter(self, wanted: bool) -> None:
        """Have all nodes filter what guests send, or none."""
        off = bool(self._filters)
        if wanted is not off:
            return
        for node in self.lab.nodes:
            if wanted:
                filtering.tell(self.lab, node, self._filters.pop(node))
            else:
                self._filters[node] = filtering.switch_off(self.lab, node)

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
            timeout=SETTLING,
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
        if "drover" in guests:
            guests["drover"]["firewall"] = FIREWALL
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
                timeout=SETTLING,
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
