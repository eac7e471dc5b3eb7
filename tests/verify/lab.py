# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab as its owner sees it: nodes reached over SSH, power controllers over IPMI, the cluster through its tools."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import socket
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.inventory.lab import elsewhere
from ansible_collections.cspp.drover.plugins.module_utils.cluster.cib import Configuration, read
from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import ClusterStatus
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, CommandResult, Runner, run
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import wait_for
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import Behaviour, Chassis
from ansible_collections.cspp.drover.tests.clients import answers
from ansible_collections.cspp.drover.tests.witness import instances

from .plays import ROOT

#: Where a guest answers when it is well, by kind: the tiny VM's echo, the container's SSH server, which speaks first.
SERVICE = {"vm": (7, False), "container": (22, True)}

#: Where tests put Drover's code on a node.
_LIBRARY = "/root/drover-tests"
#: Where a node keeps its copy of the journal of moves.
JOURNAL = "/var/lib/drover/journal"
_RECORD = """
import sys
sys.path.insert(0, "/usr/lib/drover/current")
from drover.journal import book
book.record({"id": sys.argv[1], "guest": "tested", "kind": "vm", "from": "node1", "to": "node2",
                "started": "2026-01-01T00:00:00.000Z", "result": "moved", "seconds": 1.8, "downtime_ms": 21})
"""


@dataclass(frozen=True)
class Node:
    """A node's name, addresses and power controller."""

    name: str
    address: str
    bmc_address: str
    bmc_port: int
    bmc_user: str
    bmc_password: str


class Lab:
    """The lab that DROVER_LAB names.

    ``masters`` is a folder for connections that commands share: quicker, but not for nodes that lose their power.
    """

    def __init__(self, masters: Path | None = None) -> None:
        # Resolved, for the nodes' processes are known by where their disks really lie.
        self.folder = (ROOT / ".cache" / "lab" / os.environ["DROVER_LAB"]).resolve()
        self._masters = masters

    @property
    def description(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "lab.json").read_text())
        return found

    @property
    def every_node(self) -> dict[str, Node]:
        """The nodes by name, also those that are none of the cluster's."""
        return {node["name"]: Node(**node) for node in self.description["nodes"]}

    @property
    def nodes(self) -> dict[str, Node]:
        """The cluster's nodes by name."""
        others = elsewhere(os.environ.get("DROVER_LAB_ELSEWHERE", ""))
        return {name: node for name, node in self.every_node.items() if name not in others}

    def ssh_argv(self, node: str) -> list[str]:
        """What runs a shell's line on the node; the line is its last argument."""
        lab = self.description
        options = ["BatchMode=yes", "ConnectTimeout=2", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
        options += [f"UserKnownHostsFile={lab['known_hosts']}", f"IdentityFile={lab['ssh_key']}"]
        # A node whose power is cut says no good-bye.
        options += ["ServerAliveInterval=2", "ServerAliveCountMax=3"]
        if self._masters is not None:
            options += ["ControlMaster=auto", "ControlPersist=60", f"ControlPath={self._masters}/%h"]
        flags = [word for option in options for word in ("-o", option)]
        # Ctrl+C is for who asked, who then still needs the connections to put things in order.
        session = ["setsid", "--wait"] if self._masters is not None else []
        return [*session, "ssh", "-F", "none", "-q", *flags, f"root@{self.every_node[node].address}"]

    def ssh(self, node: str) -> Runner:
        """Runs programs on the node as cspp.drover's own runner does here: same arguments, same errors."""
        prefix = self.ssh_argv(node)

        def on_node(argv: Sequence[str], **how: Any) -> CommandResult:
            return run([*prefix, f"LC_ALL=C {shlex.join(argv)}"], **how)

        return on_node

    def library(self, node: str) -> str:
        """A folder on the node with all of Drover's code as package ``drover``, also what nodes do not run."""
        packing = ["tar", "-C", str(ROOT / "plugins"), "--exclude=__pycache__", "-cf", "-", "module_utils"]
        unpacking = f"mkdir -p {_LIBRARY} && tar -C {_LIBRARY} --transform='s,^module_utils,drover,' -xf -"
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
            subprocess.run([*self.ssh_argv(node), unpacking], stdin=packed.stdout, check=True)
        return _LIBRARY

    def power(self, node: str, request: str) -> str:
        """Ask the node's power controller, over IPMI: status, on, off."""
        bmc = self.nodes[node]
        where = ["-H", bmc.bmc_address, "-p", str(bmc.bmc_port), "-U", bmc.bmc_user, "-E"]
        argv = ["ipmitool", "-I", "lanplus", *where, "chassis", "power", request]
        return run(argv, env={"IPMI_PASSWORD": bmc.bmc_password}, timeout=30).stdout.strip()

    def controller(self, node: str, behaviour: Behaviour) -> None:
        """Have the node's power controller take orders in this way from now on."""
        behaviour.save(self.folder / "nodes" / node)

    def lose_power(self, node: str) -> None:
        """Take the power of the node and of its power controller, as one cord that both hang on."""
        self.controller(node, Behaviour.SILENT)
        Chassis.load(self.folder / "nodes" / node).cut_power()

    def ask(self, question: Callable[[Pacemaker], Any]) -> Any:
        """Ask the cluster, through whichever node answers."""
        errors: list[str] = []
        for node in self.nodes:
            try:
                return question(Pacemaker(self.ssh(node)))
            except Exception as error:  # any of them may be down, or not a member
                errors.append(f"{node}: {error}")
        raise CommandError("; ".join(errors))

    def status(self) -> ClusterStatus:
        found: ClusterStatus = self.ask(Pacemaker.status)
        return found

    def cib(self) -> str:
        found: str = self.ask(Pacemaker.query)
        return found

    def configuration(self) -> Configuration:
        return read(self.cib())

    def version(self) -> tuple[int, int]:
        """Which version of the configuration the cluster has; statuses do not count."""
        version = self.configuration().version
        return version.configuration

    def instances(self, *guests: str) -> dict[str, int]:
        """How many times each guest runs in this lab, by this machine's process table."""
        return instances(guests, self.folder.resolve())

    def where(self, guest: str) -> str:
        """The one node where the cluster has the guest running."""
        seen = self.status().resource(guest)
        assert seen is not None, f"the cluster does not know {guest}"
        assert seen.running, f"{guest} is {seen.word} on {seen.nodes}"
        assert seen.node is not None
        return seen.node

    def where_it_runs(self, guest: str) -> str:
        """The node where the cluster has the guest running, as soon as it knows: a client may know before."""
        wait_for(
            lambda: self.status().resource(guest),
            lambda found: found is not None and found.running,
            what=f"the cluster's word that {guest} runs",
            timeout=15,
        )
        return self.where(guest)

    def decisions(self, guest: str) -> list[str]:
        """What speaks for nodes and against them for the guest, and what schedulers have decided about it lately."""
        pattern = f"(Start|Move|Stop|Migrate|Recover|Restart) +{guest} "
        said = [str(one) for one in self.configuration().constraints.values() if guest in str(one)]
        for node in self.nodes:
            argv = ["journalctl", "--unit=pacemaker", "--since=-15min", "--output=short-precise", f"--grep={pattern}"]
            said += self.ssh(node)(argv, ok=None).stdout.splitlines()
        return said

    def migrating(self, guest: str) -> bool:
        """Whether the cluster has the guest on its way to another node."""
        seen = self.status().resource(guest)
        return bool(seen and seen.pending and seen.pending.startswith("Migrating"))

    def look_often(self) -> None:
        """Let the cluster look at every guest every two seconds, until guests are declared the next time."""
        node = self.ssh(next(iter(self.nodes)))
        resources = node(["cibadmin", "--query", "--scope", "resources"]).stdout
        often = resources.replace('interval="10s"', 'interval="2s"')
        assert often != resources, "the guests' monitors are not those that are known here"
        node(["cibadmin", "--replace", "--scope", "resources", "--xml-pipe"], stdin=often)
        wait_for(
            self.status,
            lambda seen: not any(resource.pending for resource in seen.resources),
            what="the first look at every guest",
            timeout=30,
        )

    def outages(self, unit: str) -> dict[str, tuple[float, float]]:
        """When a unit was last down on each node, from and to, on the clock that the lab's nodes share."""
        shown = ["InactiveEnterTimestampMonotonic", "ActiveEnterTimestampMonotonic"]
        argv = ["systemctl", "show", *(word for name in shown for word in ("-p", name)), unit]
        found = {}
        for node in self.nodes:
            values = dict(line.split("=") for line in self.ssh(node)(argv).stdout.split())
            down, up = (int(values[name]) / 1e6 for name in shown)
            found[node] = (down, up)
        return found

    def record_move(self, node: str) -> str:
        """Record a made-up move of a guest called "tested", as this node's agent would; returns its id."""
        name = uuid.uuid4().hex
        self.ssh(node)(["python3", "-I", "-c", _RECORD, name])
        return name

    def has_record(self, node: str, name: str) -> bool:
        """Whether the node's own copy of the journal has the record."""
        return self.ssh(node)(["grep", "-qs", name, f"{JOURNAL}/moves.jsonl"], ok=None).rc == 0

    def last_move(self, guest: str, node: str) -> dict[str, Any]:
        """The newest record of a move of the guest that the node's own copy of the journal has."""
        lines = self.ssh(node)(["cat", f"{JOURNAL}/moves.jsonl"]).stdout.splitlines()
        moves: list[dict[str, Any]] = [entry for entry in map(json.loads, lines) if entry.get("from")]
        return next(move for move in reversed(moves) if move.get("guest") == guest)

    def wait_for_members(self, timeout: float) -> ClusterStatus:
        """Until every node is a member and may run guests."""
        return wait_for(
            self.status,
            lambda seen: {node.name for node in seen.nodes if node.usable} == set(self.nodes),
            what="every node's return to the cluster",
            timeout=timeout,
        )


def address(guest: dict[str, Any]) -> str:
    """Where a declared guest is to be reached."""
    nic = guest["nics"][0]
    return str(nic["address"] if "address" in nic else nic["addresses"][0]).partition("/")[0]


def wait_until_answering(guest: dict[str, Any], *, timeout: float) -> None:
    port, greeting = SERVICE[guest["kind"]]
    host = address(guest)
    wait_for(
        lambda: answers(host, port, greeting=greeting),
        bool,
        what=f"an answer at {host} port {port}",
        timeout=timeout,
        interval=0.2,
    )


def boot(guest: dict[str, Any]) -> str:
    """Which boot of itself a tiny VM is in."""

    def look() -> str:
        try:
            with socket.create_connection((address(guest), 8), 1) as connection:
                return connection.recv(100).decode().strip()
        except OSError:
            return ""

    return wait_for(look, bool, what="the VM telling its boot", timeout=60, interval=0.2)


def init_of(lab: Lab, container: str) -> str:
    """The process id of a container's init; another one means that it was restarted."""
    argv = ["lxc-info", "-P", "/run/drover/lxc", "-n", container, "-p", "-H"]
    return lab.ssh(lab.where(container))(argv).stdout.strip()


def one_by_one(outages: dict[str, tuple[float, float]]) -> bool:
    """Whether no two nodes were without the unit at the same time."""
    inorder = sorted(outages.values())
    return all(up < next_down for (_down, up), (next_down, _up) in itertools.pairwise(inorder))


def leftovers(folder: Path, name: str) -> dict[str, list[str]]:
    """Whatever on this machine still belongs to a lab of this name: by kind, what was found."""
    links = json.loads(run(["ip", "-json", "link"]).stdout)
    mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    tables = run(["nft", "list", "tables"], ok=None).stdout.splitlines() if Path("/usr/sbin/nft").exists() else []
    processes = []
    for entry in Path("/proc").iterdir():
        try:
            words = entry.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
            cwd = str(entry.joinpath("cwd").readlink())
        except OSError:
            continue
        if any(str(folder) in word for word in words) or cwd.startswith(str(folder)):
            processes.append(" ".join(words))
    return {
        "processes": processes,
        "mounts": [line for line in mounts if str(folder) in line],
        "links": [link["ifname"] for link in links if link["ifname"].startswith((f"vb-{name}-", f"lab-{name}"))],
        "firewall tables": [table for table in tables if name in table],
        "files": [str(folder)] if folder.exists() else [],
    }
