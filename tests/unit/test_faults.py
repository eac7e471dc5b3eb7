# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure parts of tests/faults: what was left, what was said, what it came to."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.faults.catalogue import FAULTS, cases, schedule
from tests.faults.command import told
from tests.faults.leftovers import unexpected
from tests.faults.report import line, summary, well
from tests.faults.result import Result
from tests.verify.migration.test_fault_injection import SAMPLE

CLEAN: dict[str, Any] = {
    "peers": 0,
    "agents": ["/usr/bin/python3 -I /usr/lib/ocf/resource.d/drover/vm monitor"],
    "jobs": [],
    "vms": ["game"],
    "definitions": ["game"],
    "deaf": [],
    "progress": [],
    "reports": [],
    "drafts": [],
    "disks": ["/srv/drover/local/containers/shed/rootfs"],
    "tables": [],
}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, []),
        ({"vms": ["churn", "game"]}, ["node1: VM churn runs"]),
        ({"definitions": ["churn", "game"]}, ["node1: libvirt knows churn"]),
        ({"peers": 2}, ["node1: 2 processes of drover-peer"]),
        ({"agents": ["vm migrate_to"]}, ["node1: agent vm migrate_to"]),
        ({"deaf": ["game-3fa2c1"]}, ["node1: no flooding to game-3fa2c1"]),
        ({"progress": ["game.json"]}, ["node1: progress file game.json"]),
        ({"tables": ["fault"]}, ["node1: firewall table fault"]),
        (
            {"disks": ["/srv/drover/local/containers/shed/incoming", "/srv/drover/local/containers/other/rootfs"]},
            ["node1: /srv/drover/local/containers/shed/incoming", "node1: /srv/drover/local/containers/other/rootfs"],
        ),
    ],
)
def test_unexpected(more: dict[str, Any], found: list[str]) -> None:
    assert unexpected("node1", {**CLEAN, **more}, ["game", "shed"]) == found


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('node1 | FAILED! => {\n    "changed": false,\n    "msg": "game stays"\n}\n', "game stays"),
        ('fatal: [node1]: UNREACHABLE! => {"msg": "gone"}\nfatal: [node2]: FAILED! => {"msg": "too"}\n', "gone\ntoo"),
        ('node1 | CHANGED => {"msg": "well"}', ""),
        ("fatal: [node1]: FAILED! => {", ""),
    ],
)
def test_told(output: str, message: str) -> None:
    assert told(output) == message


def test_every_case_has_its_own_name() -> None:
    names = [str(case) for case in cases()]
    assert len(names) == len(set(names)) == sum(len(fault.phases) for fault in FAULTS)


def test_the_sample_is_of_the_table() -> None:
    assert set(SAMPLE) <= {str(case) for case in cases()}


def test_only() -> None:
    assert {case.fault.name for case in cases("agent killed, ")} == {"agent killed"}
    assert cases("no such fault") == []


def test_a_schedule_can_be_repeated_and_leaves_none_out() -> None:
    chosen = cases()
    first = [str(case) for case, _chance in itertools.islice(schedule(chosen, 7), 2 * len(chosen))]
    assert first == [str(case) for case, _chance in itertools.islice(schedule(chosen, 7), 2 * len(chosen))]
    assert set(first[: len(chosen)]) == set(first[len(chosen) :]) == {str(case) for case in chosen}
    assert first[: len(chosen)] != first[len(chosen) :]


def test_report() -> None:
    good = Result("agent killed", "copying", "module", "node1 -> node2", "copying 9%", injected=True, session="lived")
    bad = Result("agent killed", "copying", "cluster", injected=True, lost=True, twice=["on node1"], left=["a file"])
    late = Result("agent killed", "setup", "module")
    assert well([good, late]) and not well([good, bad])
    assert "ok" in line(1, good) and "missed" in line(2, late)
    assert [text.strip() for text in line(3, bad).splitlines()[1:]] == [
        "!! ran twice: on node1",
        "!! the guest was lost",
        "!! left behind: a file",
    ]
    told_so = summary([good, bad, late])
    for text in ("faults injected: 2", "guests lost: 1", "double runs: 1", "leftovers: 1"):
        assert text in told_so
