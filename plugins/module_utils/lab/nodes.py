# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab's nodes on this machine: making them, giving them power, waiting until they are ready, removing them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.atomic import write
from ..core.command import Runner, run
from ..core.errors import DroverError
from ..core.parallel import side_by_side
from ..core.wait import WaitTimeout, wait_for
from . import credentials
from .bmc_control import BMC_MODULE, BMC_USER, BmcControl
from .chassis import Behaviour, BmcSettings, Chassis, forget_nspawn
from .description import describe
from .layout import Lab, Node
from .machine import greets_by_ssh, is_leader, processes, root_upper_directory
from .plan import NodesSeen, Step, nodes_steps
from .readiness import Readiness

__all__ = ["LabNodes", "NodeSettings", "NodesError"]


class NodesError(DroverError):
    """A node did not become what it should; the message says which and what to look at."""


@dataclass(frozen=True)
class NodeSettings:
    """What all nodes of a lab have in common.

    ``devices`` are given to nodes when this machine has them. ``plugins`` is the directory above this
    package, from where a BMC's own Python process imports it. ``behaviours`` are those of BMCs, by node, that are not
    to be prompt.
    """

    base: str
    package_proxy: str
    bmc_port: int
    devices: Sequence[str]
    plugins: str
    behaviours: Mapping[str, str] = field(default_factory=dict)


class LabNodes:
    """The nodes of one lab on this machine: what there is, the steps to what is wanted, and carrying them out."""

    def __init__(self, lab: Lab, settings: NodeSettings, runner: Runner = run) -> None:
        self.lab = lab
        self.settings = settings
        self.run = runner
        self.bmcs = BmcControl(settings.bmc_port, settings.plugins, runner)
        self.readiness = Readiness(lab, settings.package_proxy, runner)
        self.by_name = {node.name: node for node in lab.every_node()}

    # -- finding --------------------------------------------------------------------------------

    def see(self) -> NodesSeen:
        directory = self.lab.nodes_directory
        found = {entry.name for entry in directory.iterdir()} if directory.is_dir() else set()
        complete = {node.index for node in self.by_name.values() if (node.directory / "chassis.json").is_file()}
        uppers: set[str | None] = set()
        roots: set[str] = set()
        bmcs: set[str] = set()
        for process in processes():
            if is_leader(process.pid):
                uppers.add(root_upper_directory(process.pid))
            if process.program == "systemd-nspawn":
                roots.update(process.argv)
            if BMC_MODULE in process.argv:
                bmcs.add(process.argv[-1])
        return NodesSeen(
            complete=complete,
            half_made={node.index for node in self.by_name.values() if node.name in found} - complete,
            powered={
                node.index
                for node in self.by_name.values()
                if f"{node.directory}/upper" in uppers or f"--directory={node.directory}/root" in roots
            },
            with_bmc={node.index for node in self.by_name.values() if str(node.directory) in bmcs},
        )

    def plan(self, nodes: int) -> list[Step]:
        """The steps to ``nodes`` nodes, and to a description of them."""
        steps = nodes_steps(self.lab, nodes, self.see())
        if nodes == 0:
            return steps
        for node in self.lab.nodes(nodes):
            wanted = self._behaviour(node)
            if wanted is not Behaviour.load(node.directory):
                steps.append(Step(_tell(wanted), node.name))
        described = self.lab.description.read_text() if self.lab.description.is_file() else ""
        if described != describe(self.lab, nodes, self.settings.bmc_port):
            steps.append(Step("describe lab in", str(self.lab.description)))
        return steps

    def _behaviour(self, node: Node) -> Behaviour:
        return Behaviour(self.settings.behaviours.get(node.name, Behaviour.PROMPT))

    # -- acting ---------------------------------------------------------------------------------

    def carry_out(self, steps: Sequence[Step], nodes: int, timeout: float) -> list[str]:
        """Do all steps, then wait up to ``timeout`` seconds until the nodes are ready; return warnings."""

        def nodes_to(verb: str) -> list[Node]:
            return [self.by_name[step.subject] for step in steps if step.verb == verb]

        if nodes == 0:
            self.lab.description.unlink(missing_ok=True)
        self._each(self.remove_node, nodes_to("remove node"))
        if nodes == 0:
            forget_nspawn()
            return []
        self.lab.shared_directory.mkdir(parents=True, exist_ok=True)
        self.lab.image_cache.mkdir(parents=True, exist_ok=True)
        credentials.ensure(self.lab, self.run)
        created = nodes_to("create node")
        self.refuse_if_answering(created)
        self._each(self.create_node, created)
        self._each(self.bmcs.start, nodes_to("start BMC of"))
        # A silent one would not switch its node on.
        self._each(self.power_on, nodes_to("power on"))
        for behaviour in Behaviour:
            self._each(lambda node: self._behaviour(node).save(node.directory), nodes_to(_tell(behaviour)))
        credentials.write_known_hosts(self.lab, nodes)
        warnings = self.wait_until_ready(self.lab.nodes(nodes), {node.name for node in created}, timeout)
        write(self.lab.description, describe(self.lab, nodes, self.settings.bmc_port) or "")
        return warnings

    @staticmethod
    def _each(action: Callable[[Node], None], nodes: Sequence[Node]) -> None:
        """Run ``action`` for all nodes at the same time; the first error is raised."""
        side_by_side(action, nodes)

    def refuse_if_answering(self, nodes: Sequence[Node]) -> None:
        """Prove that the addresses of nodes about to be created are free."""
        answering = side_by_side(lambda node: greets_by_ssh(node.address), nodes)
        taken = [f"{node.name} ({node.address})" for node, found in answering.items() if found]
        if taken:
            raise NodesError(f"Something already answers where new nodes are to be: {', '.join(taken)}. Stop it first.")

    def chassis(self, node: Node) -> Chassis:
        return Chassis(
            machine=node.machine,
            directory=str(node.directory),
            base=self.settings.base,
            bridge=self.lab.bridge,
            uuid=str(uuid.uuid4()),
            console_log=str(node.console_log),
            binds=[
                *(device for device in self.settings.devices if Path(device).exists()),
                f"{self.lab.shared_directory}:/srv/drover/shared",
                f"{self.lab.image_cache}:/var/cache/drover/images",
            ],
        )

    def create_node(self, node: Node) -> None:
        """A disk with the node's own files on it, and its hardware's description, which makes it complete."""
        for name in ("upper", "work", "root"):
            (node.directory / name).mkdir(parents=True, exist_ok=True)
        chassis = self.chassis(node)
        chassis.mount(self.run)
        for path, (content, mode) in self.own_files(node).items():
            file = chassis.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=mode)
            file.write_text(content)
        BmcSettings(node.bmc_address, self.settings.bmc_port, BMC_USER, credentials.bmc_password(self.lab)).save(
            node.directory
        )
        chassis.save(node.directory)

    def own_files(self, node: Node) -> dict[str, tuple[str, int]]:
        """Files that differ from node to node: contents and mode by path."""
        key = node.directory / "ssh_host_ed25519_key"
        credentials.make_key(key, node.name, self.run)
        address = f"{node.address}/{self.lab.subnet.prefixlen}"
        network = f"[Match]\nName=host0\n\n[Network]\nAddress={address}\nGateway={self.lab.gateway}\n"
        proxy = f'Acquire::http::Proxy "{self.settings.package_proxy}";\n'
        return {
            "etc/hostname": (f"{node.name}\n", 0o644),
            "etc/hosts": (f"127.0.0.1 localhost\n::1 localhost\n{node.address} {node.name}\n", 0o644),
            "etc/systemd/network/10-host0.network": (network, 0o644),
            "etc/apt/apt.conf.d/80lab-proxy": (proxy, 0o644),
            "etc/ssh/ssh_host_ed25519_key": (key.read_text(), 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": (key.with_suffix(".pub").read_text(), 0o644),
            "root/.ssh/authorized_keys": (self.lab.ssh_key.with_suffix(".pub").read_text(), 0o600),
        }

    def power_on(self, node: Node) -> None:
        """Through its BMC, which so has proved to work."""
        request = ["chassis", "power", "on"]
        try:
            wait_for(
                lambda: self.bmcs.ask(node, request),
                lambda error: error is None,
                what=f"power-on of {node.name} by its BMC",
                timeout=60,
                interval=0.2,
            )
        except WaitTimeout as error:
            raise NodesError(f"{error}. Its log: {node.bmc_log}") from error

    # -- waiting --------------------------------------------------------------------------------

    def wait_until_ready(self, nodes: Sequence[Node], created: set[str], timeout: float) -> list[str]:
        """SSH answers and systemd has started everything on every node.

        A node just created must have no failed unit; on older ones they may be their user's doing.
        Returns warnings; raises NodesError.
        """
        states = side_by_side(lambda node: self.readiness.state_of(node, timeout, node.name in created), nodes)
        troubles: list[str] = []
        warnings: list[str] = []
        for node, state in states.items():
            if state == "running":
                continue
            text = f"{node.name} is {state}"
            (troubles if node.name in created or not state.startswith("degraded") else warnings).append(text)
        if troubles:
            raise NodesError(f"{'; '.join(troubles)}. Consoles: {self.lab.directory}/console-*.log")
        return warnings

    # -- removing -------------------------------------------------------------------------------

    def remove_node(self, node: Node) -> None:
        self.bmcs.stop(node)
        chassis = self.chassis(node)
        chassis.cut_power(runner=self.run)
        chassis.unmount(self.run)
        if node.directory.exists():
            shutil.rmtree(node.directory)
        node.bmc_log.unlink(missing_ok=True)
        node.console_log.unlink(missing_ok=True)


def _tell(behaviour: Behaviour) -> str:
    return f'have orders taken in the way "{behaviour}" by the BMC of'
