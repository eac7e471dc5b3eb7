# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab that tests speak of: its layout, a node's chassis, nodes that are well, and what stands for this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandResult
from ansible_collections.cspp.drover.plugins.module_utils.lab import chassis as lab_chassis
from ansible_collections.cspp.drover.plugins.module_utils.lab.chassis import Chassis
from ansible_collections.cspp.drover.plugins.module_utils.lab.layout import Lab
from ansible_collections.cspp.drover.plugins.module_utils.lab.plan import NodesSeen

LAB = Lab("try", ipaddress.IPv4Network("10.99.0.0/24"), Path("/checkout/.cache"))


class Commands:
    """A runner that remembers what it was asked to run, and answers from a table."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.argvs: list[list[str]] = []

    def __call__(self, argv: Sequence[str], **_options: Any) -> CommandResult:
        self.argvs.append(list(argv))
        return CommandResult(tuple(argv), 0, self.answers.get(argv[0], ""), "")


HEALTHY = NodesSeen(complete={1, 2}, powered={1, 2}, with_bmc={1, 2})
CHASSIS = Chassis(
    "try-1", "/checkout/n1", "/base", "lab-try", "7c0dbf62-9c54-4d3c-9c5a-2a3f7b5f0a11", "/dev/null", ["/dev/kvm"]
)


class Machine:
    """One node's processes, as the chassis finds them, and the signals it sends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pids: dict[str, int]) -> None:
        self.pids = pids
        self.immortal = False
        self.signals: list[tuple[str, int]] = []
        monkeypatch.setattr(Chassis, "leader", lambda _self: self.pids.get("leader"))
        monkeypatch.setattr(Chassis, "supervisor", lambda _self: self.pids.get("supervisor"))
        monkeypatch.setattr(lab_chassis, "kill", self.kill)

    def kill(self, pid: int, number: int) -> None:
        (name,) = (name for name, known in self.pids.items() if known == pid)
        self.signals.append((name, number))
        if not self.immortal:
            self.pids.clear()
