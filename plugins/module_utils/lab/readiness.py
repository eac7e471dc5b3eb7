# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The readiness of a lab's nodes: SSH answers, and systemd has started everything."""

from __future__ import annotations

import json

from ..core.command import CommandError, CommandResult, Runner, run
from ..core.wait import WaitTimeout, wait_for
from .layout import Lab, Node

__all__ = ["Readiness"]


class Readiness:
    """What nodes of a lab say of themselves over SSH. ``package_proxy`` is the URL that new ones have to reach."""

    def __init__(self, lab: Lab, package_proxy: str, runner: Runner = run) -> None:
        self.lab = lab
        self.package_proxy = package_proxy
        self.run = runner

    def state_of(self, node: Node, timeout: float, new: bool) -> str:
        """``running``, or a description of what is not. A new node must also reach the package cache."""

        def look() -> str:
            answer = self._ssh(node, "systemctl is-system-running --wait", timeout)
            return answer.stdout.strip() or answer.stderr.strip()

        def settled(state: str) -> bool:
            return state in ("running", "degraded")

        try:
            state = wait_for(look, settled, what="systemd's start", timeout=timeout, interval=0.3)
        except WaitTimeout as error:
            return f"not ready after {timeout:g} s ({error.last})"
        except CommandError as error:
            return str(error)
        if state == "degraded":
            units = self._ssh(node, "systemctl list-units --failed --plain --no-legend --output=json", 20).stdout
            state = f"degraded: {', '.join(unit['unit'] for unit in json.loads(units))}"
        if new:
            proxy = self.package_proxy
            host, _, port = proxy.removeprefix("http://").partition(":")
            if self._ssh(node, f"timeout 5 bash -c 'true >/dev/tcp/{host}/{port}'", 20).rc != 0:
                state = f"unable to reach {proxy}: let this machine's firewall accept what comes from {self.lab.bridge}"
        return state

    def _ssh(self, node: Node, command: str, timeout: float) -> CommandResult:
        options = [
            "BatchMode=yes",
            "ConnectTimeout=2",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.lab.known_hosts}",
            f"IdentityFile={self.lab.ssh_key}",
            "IdentitiesOnly=yes",
        ]
        flags = [flag for option in options for flag in ("-o", option)]
        return self.run(["ssh", "-F", "none", *flags, f"root@{node.address}", command], timeout=timeout, ok=None)
