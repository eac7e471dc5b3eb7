# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ground of a drill: the nodes on which something is broken, and by what means.

In a lab the nodes are containers of this machine: their power, their processes and their power controllers are in its
hands. Servers are reached over SSH, which leaves some means out, and leads others over the server's own power
controller.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ..cluster.graph_from_elsewhere import fetching
from ..core.command import CommandError, CommandResult, Runner, run
from ..core.errors import DroverError
from ..core.wait import wait_for
from ..lab.bmc_control import BmcControl
from ..lab.console import Console
from ..lab.layout import Lab
from ..lab.machine import processes

__all__ = ["Ground", "LabGround", "Servers"]

#: Seconds until nothing is left of a node without power.
_ENDS_WITHIN = 10.0
_PLUGINS = Path(__file__).resolve().parents[2]


class Ground(Protocol):
    """The nodes and the means."""

    #: What there is beside programs run on nodes: "freeze" all processes of a node, break its power controller ("bmc"),
    #: cut the power of "all" nodes at once, step one node's "clock" and not the others', fill the "pool" they share.
    means: frozenset[str]
    #: Whether each node's disk is its own, and may be filled.
    own_disks: bool

    @property
    def nodes(self) -> dict[str, str]:
        """The nodes' addresses by name."""

    def runner(self, node: str) -> Runner:
        """What runs programs on a node."""

    def has_power(self, node: str) -> bool:
        """Whether a node is on, as far as can be seen from here."""

    def cut_power(self, node: str) -> None:
        """Off, at once."""

    def press_power(self, node: str) -> None:
        """On."""

    def freeze(self, node: str) -> list[int]:
        """Stop all processes of a node. Returns what continues them."""

    def thaw(self, frozen: Sequence[int]) -> None:
        """Let those go on that are still there."""

    def break_bmc(self, node: str) -> None:
        """End the node's power controller."""

    def mend_bmc(self, node: str) -> None:
        """Bring it back."""


class LabGround:
    """A lab of this machine, by its folder."""

    means = frozenset({"freeze", "bmc", "all"})
    own_disks = False

    def __init__(self, folder: Path) -> None:
        # Resolved, for the nodes' processes are known by where their disks really lie.
        self.folder = folder.resolve()
        # Where what the nodes share has a file system of its own: else it is this machine's disk.
        if (self.folder / "shared").is_mount():
            self.means = self.means | {"pool"}
        described = json.loads((self.folder / "lab.json").read_text())
        self.consoles = {node["name"]: Console(node["name"], self._directory(node)) for node in described["nodes"]}
        self.nodes = {node["name"]: str(node["address"]) for node in described["nodes"]}
        self._port = int(described["nodes"][0]["bmc_port"])
        lab = Lab(described["name"], ipaddress.IPv4Network(described["subnet"]), self.folder.parents[1])
        self._by_name = {node.name: node for node in lab.every_node() if node.name in self.nodes}
        self._bmcs = BmcControl(self._port, str(_PLUGINS))

    def _directory(self, node: Mapping[str, Any]) -> Path:
        return self.folder / "nodes" / str(node["name"])

    def runner(self, node: str) -> Runner:
        return self.consoles[node].run

    def has_power(self, node: str) -> bool:
        return self.consoles[node].leader() is not None

    def cut_power(self, node: str) -> None:
        self.consoles[node].cut_power()

    def press_power(self, node: str) -> None:
        # What was cut off a moment ago is still being cleared away, and would count as on.
        if not self.has_power(node):
            wait_for(self.consoles[node].dead, bool, what=f"the end of {node}", timeout=_ENDS_WITHIN, interval=0.05)
        trouble = self._bmcs.ask(self._by_name[node], ["chassis", "power", "on"])
        if trouble is not None:
            raise DroverError(f"{node} could not be switched on: {trouble}")

    def freeze(self, node: str) -> list[int]:
        leader = self.consoles[node].leader()
        if leader is None:
            raise CommandError(f"{node} has no power")
        stopped: list[int] = []
        # A process that was being started has a second look; none can start another once it is stopped.
        for _look in range(3):
            for pid in _descendants(leader):
                if pid not in stopped:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                        stopped.append(pid)
        return stopped

    def thaw(self, frozen: Sequence[int]) -> None:
        for pid in reversed(frozen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def break_bmc(self, node: str) -> None:
        self._bmcs.stop(self._by_name[node])

    def mend_bmc(self, node: str) -> None:
        self._bmcs.start(self._by_name[node])


class Servers:
    """Servers over SSH, by what the inventory says of each."""

    means: frozenset[str] = frozenset({"clock", "pool"})
    own_disks = True

    def __init__(self, variables: Mapping[str, Mapping[str, Any]]) -> None:
        self._variables = variables
        self.nodes = {name: str(of.get("ansible_host") or name) for name, of in variables.items()}

    def runner(self, node: str) -> Runner:
        prefix = ssh_argv(node, self._variables[node])

        def on_node(argv: Sequence[str], **how: Any) -> CommandResult:
            return run([*prefix, f"LC_ALL=C {shlex.join(argv)}"], **how)

        return fetching(on_node)

    def has_power(self, node: str) -> bool:
        with suppress(OSError), socket.create_connection((self.nodes[node], 22), 2):
            return True
        return False

    def cut_power(self, node: str) -> None:
        self._power(node, "off")

    def press_power(self, node: str) -> None:
        self._power(node, "on")

    def freeze(self, node: str) -> list[int]:
        raise _beyond("all processes of a server")

    def thaw(self, frozen: Sequence[int]) -> None:
        raise _beyond("all processes of a server")

    def break_bmc(self, node: str) -> None:
        raise _beyond("a server's power controller")

    def mend_bmc(self, node: str) -> None:
        raise _beyond("a server's power controller")

    def _power(self, node: str, request: str) -> None:
        """Ask the node's power controller, from another node, which has a way there."""
        bmc: Mapping[str, Any] = self._variables[node].get("fencing_bmc") or {}
        if not {"address", "user", "password"} <= set(bmc):
            raise DroverError(f"the inventory says nothing of a power controller (fencing_bmc) of {node}")
        where = ["-I", "lanplus", "-H", str(bmc["address"]), "-p", str(bmc.get("port", 623)), "-U", str(bmc["user"])]
        # The password by the standard input: arguments show in the process list.
        line = 'read -r IPMI_PASSWORD && export IPMI_PASSWORD && exec ipmitool "$@" -E chassis power "$0"'
        other = next(name for name in self.nodes if name != node)
        argv = ["sh", "-c", line, request, *where]
        self.runner(other)(argv, stdin=f"{bmc['password']}\n", timeout=30)


def ssh_argv(node: str, variables: Mapping[str, Any]) -> list[str]:
    """What runs a shell's line on a server as root; the line is its last argument. Raises DroverError."""
    connection = str(variables.get("ansible_connection", "ssh"))
    if connection not in ("ssh", "smart", "ansible.builtin.ssh"):
        raise DroverError(f"{node} is reached by {connection}, and a drill by SSH alone")
    argv = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=2"]
    if key := variables.get("ansible_ssh_private_key_file"):
        argv += ["-i", str(key)]
    if port := variables.get("ansible_port"):
        argv += ["-p", str(port)]
    for key in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        argv += shlex.split(str(variables.get(key) or ""))
    return [*argv, f"{variables.get('ansible_user', 'root')}@{variables.get('ansible_host', node)}"]


def _beyond(what: str) -> DroverError:
    return DroverError(f"nobody can get hold of {what} from here")


def _descendants(leader: int) -> list[int]:
    """A process and all that come of it."""
    children: dict[int, list[int]] = {}
    for process in processes():
        with suppress(OSError, ValueError):
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(process.pid)
    found, new = [leader], [leader]
    while new:
        new = [child for pid in new for child in children.get(pid, [])]
        found += new
    return found
