# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller dies in the middle of guests.yml; the next run finishes what it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..lab import Lab, address, wait_until_answering
from ..plays import killed_at, succeed

pytestmark = pytest.mark.stage("broken")

Declared = dict[str, dict[str, Any]]


#: Tasks of guests.yml, and what has already come of them when the controller dies.
MOMENTS: dict[str, Callable[[Lab], bool]] = {
    "Make disks and root file systems": lambda lab: (lab.folder / "shared" / "vms" / "late").exists(),
    "Declare the guests to the cluster": lambda lab: "late" in lab.configuration().guests(),
}


@pytest.mark.parametrize("task", MOMENTS)
def test_a_killed_run_is_finished_by_the_next(lab: Lab, declared: Declared, task: str) -> None:
    network, _, _last = address(declared["game"]).rpartition(".")
    nic = {"bridge": "br0", "address": f"{network}.153/24"}
    guests = {**declared, "late": {"kind": "vm", "image": "tiny", "memory": "192MiB", "nics": [nic]}}
    killed_at("guests", task, lambda: MOMENTS[task](lab), guests=guests)

    succeed("guests", guests=guests)
    wait_until_answering(guests["late"], timeout=60)
    assert lab.instances(*guests) == dict.fromkeys(guests, 1)
    assert succeed("guests", "--check", guests=guests).changed == set()

    succeed("guests", guests={**declared, "late": {"state": "absent", "remove_disks": True}})
    assert lab.instances("late") == {"late": 0}
