# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console comes to a cluster that runs, whose guests do not notice."""

from __future__ import annotations

from typing import Any

import pytest

from ..lab import Lab, boot, init_of
from ..plays import succeed
from .reaching import DECLARED

pytestmark = pytest.mark.stage("console")


def test_guests_run_on(lab: Lab, declared: dict[str, dict[str, Any]], ran_before: dict[str, Any]) -> None:
    assert {"game": boot(declared["game"]), "web": init_of(lab, "web")} == ran_before


def test_it_runs_on_the_event_loop_that_takes_little_memory(lab: Lab) -> None:
    """asyncio's own has 256 KiB for each connection over TLS."""
    for node in lab.nodes:
        mapped = "cat /proc/$(systemctl show -P MainPID drover-console)/maps"
        assert "/uvloop/" in lab.ssh(node)(["sh", "-c", mapped]).stdout, node


def test_a_second_run_changes_nothing() -> None:
    assert succeed("site", **DECLARED).changed == set()
