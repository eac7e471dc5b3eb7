# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The system under test: a lab's nodes, reached beside their network, its cluster, and the guests that move."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.cluster.pacemaker import ClusterError, Pacemaker, Snapshot
from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout
from ansible_collections.cspp.drover.plugins.module_utils.drill import rest
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround

from ..verify.lab import Lab, address, wait_until_answering
from .injection import open_up

__all__ = ["DEADLINE", "System"]

#: Seconds from the end of the fault until everything is in order, and nothing is left.
DEADLINE = 150.0
_BOOT_PORT = 8

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


class System:
    """One lab with its guests."""

    def __init__(self, lab: Lab, guests: Mapping[str, Mapping[str, Any]]) -> None:
        self.lab = lab
        self.guests = {name: dict(guest) for name, guest in guests.items()}
        self._ground = LabGround(lab.folder)
        self.consoles = self._ground.consoles
        for console in self.consoles.values():
            open_up(console)  # what ran before may have been killed

    def cluster(self, *, but: Sequence[str] = ()) -> Pacemaker:
        """The cluster as a member sees it that is up."""
        return rest.cluster(self._ground, but=but)

    def boot(self, name: str) -> str:
        """Which boot of itself a VM is in."""
        try:
            with socket.create_connection((address(self.guests[name]), _BOOT_PORT), 5) as connection:
                connection.settimeout(5)
                return connection.recv(100).decode().strip()
        except OSError:
            return "no answer"

    def at_rest(self, seen: Snapshot) -> bool:
        """Whether every node is a member and nothing is under way, nor about to be."""
        return rest.at_rest(seen, list(self.lab.nodes), list(self.guests))

    def settle(self) -> None:
        """Until every node is back and the cluster is at rest."""
        rest.settle(self._ground, list(self.guests), DEADLINE)

    def runs_once(self, name: str) -> bool:
        """The cluster's word, this machine's process table and the guest's own answer."""
        try:
            wait_until_answering(self.guests[name], timeout=60)
            seen = self.cluster().status().resource(name)
        except (WaitTimeout, CommandError, ClusterError):
            return False
        return seen is not None and seen.running and self.lab.instances(name)[name] == 1

    def post_mortem(self, name: str) -> dict[str, str]:
        """What each node and its QEMU say of a VM that does not answer, before it is ended."""
        found = {}
        for node, console in self.consoles.items():
            with suppress(CommandError):
                found[node] = console.run(["sh", "-c", _POST_MORTEM, "sh", name], ok=None, timeout=60).stdout
        return found

    def clear(self, guest: str) -> None:
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
                done=lambda now: self.at_rest(now) and bool((of := now.status.resource(guest)) and of.running),
            )
            wait_until_answering(self.guests[guest], timeout=DEADLINE)
