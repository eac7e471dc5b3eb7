# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site at work, for the steps that look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import Pacemaker
from ansible_collections.cspp.drover.plugins.module_utils.core.command import Runner
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError

from . import plays, site
from .machine import Machines
from .site import NODES, Node

__all__ = ["SMALL", "Shown", "Wrong", "need", "patiently"]

#: Seconds that something small may take on an emulated machine.
SMALL = 120.0


class Wrong(DroverError):
    """Something that is not as it has to be."""


@dataclass(frozen=True)
class Shown:
    """The site at work, as its administrator sees it."""

    machines: Machines
    inventory: Path
    logs: Path
    tell: Callable[[str], None]

    def play(self, name: str, **variables: Any) -> plays.Played:
        return plays.play(f"playbooks/{name}.yml", self.inventory, self.logs, self.tell, **variables)

    def on(self, node: Node) -> Runner:
        return self.machines.on(node)

    def shell(self, node: Node, line: str, *, timeout: float = SMALL, ok: tuple[int, ...] | None = (0,)) -> str:
        """What a shell's line says on the node."""
        return self.on(node)(["sh", "-c", line], timeout=timeout, ok=ok).stdout.strip()

    def where(self, guest: str) -> Node:
        """The node on which the cluster has the guest running. Raises Wrong."""
        seen = Pacemaker(self.on(NODES[0])).status().resource(guest)
        node = next((node for node in NODES if seen and seen.running and node.name == seen.node), None)
        if node is None:
            raise Wrong(
                f"{guest} is {seen.word + ' on ' + ', '.join(seen.nodes) if seen else 'unknown to the cluster'}"
            )
        return node

    def inside(self, argv: str, *, timeout: float = SMALL, ok: tuple[int, ...] | None = (0,)) -> tuple[int, str]:
        """Run a shell's line in the container: its exit status, and what it says."""
        attach = ["lxc-attach", "-P", "/run/drover/lxc", "-n", site.CONTAINER, "--", "sh", "-c", argv]
        result = self.on(self.where(site.CONTAINER))(attach, timeout=timeout, ok=ok)
        return result.rc, result.stdout.strip()

    def boot_id(self) -> str:
        """The VM's boot, as it tells everybody on the wire. Empty when it does not answer."""
        return self.shell(NODES[0], f"timeout 20 bash -c 'cat < /dev/tcp/{site.VM_ADDRESS}/8'", ok=None)


def need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)


def patiently(play: Callable[[], plays.Played]) -> plays.Played:
    """What the play comes to, when the nodes have given an answer within the seconds that real ones have for it."""
    for _attempt in range(3):
        try:
            return play()
        except plays.PlayError as error:
            if not any(f"({code})" in str(error) for code in ("libvirt_silent", "node_silent")):
                raise
    return play()
