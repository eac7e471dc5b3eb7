# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Control of the nodes' BMCs (power controllers) from outside: starting and ending them, and asking them by IPMI."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence

from ..core.command import CommandError, Runner, run
from ..core.wait import wait_for
from . import credentials
from .chassis import kill
from .layout import Node
from .machine import Process, processes

__all__ = ["BMC_MODULE", "BMC_USER", "BmcControl"]

BMC_USER = "drover"
BMC_MODULE = "module_utils.lab.bmc"


class BmcControl:
    """The BMCs of a lab's nodes, which listen on ``port``; their Python imports their program from ``plugins``."""

    def __init__(self, port: int, plugins: str, runner: Runner = run) -> None:
        self.port = port
        self.plugins = plugins
        self.run = runner

    def start(self, node: Node) -> None:
        """Start the node's BMC, which outlives this process."""
        with node.bmc_log.open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", BMC_MODULE, str(node.directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**os.environ, "PYTHONPATH": self.plugins, "PYTHONDONTWRITEBYTECODE": "1"},
            )

    def stop(self, node: Node) -> None:
        """Kill the node's BMC, and wait until it is gone. Raises WaitTimeout."""

        def living() -> list[int]:
            return _bmcs_of(node, processes())

        for pid in living():
            kill(pid, signal.SIGKILL)
        wait_for(living, lambda pids: not pids, what=f"the end of {node.name}'s BMC", timeout=5, interval=0.02)

    def ask(self, node: Node, request: Sequence[str]) -> str | None:
        """Send one IPMI command; None, or what went wrong."""
        access = ["-I", "lanplus", "-C", "3", "-H", node.bmc_address, "-p", str(self.port)]
        secret = {"IPMI_PASSWORD": credentials.bmc_password(node.lab)}
        try:
            self.run(
                ["ipmitool", *access, "-N", "1", "-R", "3", "-U", BMC_USER, "-E", *request], env=secret, timeout=20
            )
        except CommandError as error:
            return str(error)
        return None


def _bmcs_of(node: Node, among: Iterable[Process]) -> list[int]:
    return [p.pid for p in among if BMC_MODULE in p.argv and p.argv[-1] == str(node.directory)]
