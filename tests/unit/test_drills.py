# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure parts of tests/drills: which drills come, and what they came to."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.drill.catalogue import DRILLS
from ansible_collections.cspp.drover.plugins.module_utils.drill.ground import LabGround
from tests.drills.choice import kinds, schedule
from tests.drills.report import line, summary, well
from tests.verify.failover.test_drills import SAMPLE

WHERE = {"game": "node1", "web": "node2"}


def guest(**more: Any) -> dict[str, Any]:
    times: dict[str, Any] = {"detected": 1.0, "fenced": 2.0, "started": 3.0, "answered": 4.0}
    return {
        "name": "game",
        "node": "node1",
        "struck": True,
        "twice": [],
        "acknowledged": 10,
        "lost": 0,
        **times,
        **more,
    }


def result(**more: Any) -> dict[str, Any]:
    about = {"drill": "power", "variant": "power", "name": "power of node1", "seconds": 40.0, "wrong": [], "notes": []}
    return {**about, "guests": [guest()], **more}


def test_every_kind_comes_before_any_comes_again() -> None:
    chosen, without = kinds(LabGround.means, 3, 1)
    first = list(itertools.islice(schedule(chosen, WHERE, 1), len(chosen)))
    assert {(one.drill, one.variant) for one in first} == {(one.drill, one.variant) for one in chosen}
    assert [one.split(" ")[0] for one in without] == ["link", "clock-step", *["storage"] * 4]


def test_a_seed_repeats_the_drills() -> None:
    chosen, _ = kinds(LabGround.means, 3, 1)
    runs = [list(itertools.islice(schedule(chosen, WHERE, seed), 40)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("seed", range(5))
def test_each_strikes_what_it_is_about(seed: int) -> None:
    chosen, _ = kinds(LabGround.means, 3, 1)
    for one in itertools.islice(schedule(chosen, WHERE, seed), 40):
        target = DRILLS[one.drill].target
        assert bool(one.node) is (target == "node")
        assert bool(one.guest) is (target == "guest")


def test_the_sample_is_of_drills_that_there_are() -> None:
    chosen, _ = kinds(LabGround.means, 3, 1)
    assert {(drill, variant) for drill, variant, _guest in SAMPLE} <= {(one.drill, one.variant) for one in chosen}


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result(), result()], "double runs: 0"),
        ([result(), result()], "acknowledged writes lost: 0 of 20"),
        ([result(guests=[guest(lost=2)], wrong=["lost"])], "acknowledged writes lost: 2 of 10"),
        ([result(guests=[guest(twice=["on node1 as well"])], wrong=["twice"])], "double runs: 1"),
        ([result(guests=[guest(answered=4.0)]), result(guests=[guest(answered=6.0)])], "5.0 6.0"),
    ],
)
def test_summary(results: list[dict[str, Any]], said: str) -> None:
    assert said in summary(results)


def test_what_was_wrong_is_told_and_counts() -> None:
    bad = result(wrong=["game does not run"])
    assert "WRONG" in line(1, bad) and "game does not run" in line(1, bad)
    assert not well([result(), bad])
    assert well([result()])
