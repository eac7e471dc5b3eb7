# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One fault of each kind, in one phase of a move: the sample that CI has time for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ...faults.catalogue import Case, cases
from ...faults.guests import trial_guests
from ...faults.report import line
from ...faults.trial import Trial
from ..lab import Lab
from ..plays import succeed

pytestmark = pytest.mark.stage("faults")

SAMPLE = (
    "target loses power, copying",
    "target loses power, switch-over",
    "migration network reset in post-copy, post-copy",
    "libvirt restarts on the source, copying",
    "QEMU killed on the target, copying",
    "migration network silent for 4 s, setup",
    "migration network reset, copying",
    "agent killed, copying",
    "Ansible killed, copying",
    "a second move to another node, copying",
    "container ignores the stop signal, begin",
)
#: How often a fault may come too late for its phase, on a machine that is busy.
TRIES = 3


@pytest.fixture(scope="module")
def trial(lab: Lab, declared: dict[str, dict[str, Any]]) -> Trial:
    guests = trial_guests(declared)
    succeed("guests", guests=guests)
    return Trial(lab, guests)


def _chosen() -> list[Case]:
    by_name = {str(case): case for case in cases()}
    return [by_name[name] for name in SAMPLE]


@pytest.mark.parametrize("case", _chosen(), ids=str)
def test_a_fault_harms_nothing_but_the_move(trial: Trial, case: Case) -> None:
    for number in range(TRIES):
        result = trial.run(case, random.Random(number))
        assert result.well, line(number, result)
        if result.injected:
            return
    pytest.fail(f"never came to its phase: {line(TRIES, result)}")
