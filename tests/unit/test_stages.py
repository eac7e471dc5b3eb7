# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of tests/verify: each has its tests, each test its stage, and Molecule runs them all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.verify.stages import STAGES, VERIFY, StageError, choose, complaint, unlisted

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = VERIFY / "stages"
SCENARIOS = sorted((ROOT / "molecule").glob("*/molecule.yml"))


def paths(scenario: Path) -> list[Path]:
    """The paths that a scenario has verified, in order."""
    described = yaml.safe_load(scenario.read_text())
    steps = [step.split() for step in described["scenario"]["test_sequence"]]
    found = [[*words, described["verifier"]["directory"]][1] for words in steps if words[0] == "verify"]
    return [(scenario.parent / path).resolve() for path in found]


def test_molecule_runs_every_stage_once() -> None:
    found = [path for scenario in SCENARIOS for path in paths(scenario)]
    assert sorted(path.name for path in found) == sorted(STAGES)
    for path in found:
        assert path.parent == FOLDERS
        # Without it Molecule would find nothing to run, and be content.
        assert [file.name for file in path.glob("test_*.py")] == ["test_stage.py"]


def test_every_file_runs_in_a_stage() -> None:
    assert unlisted() == []
    assert [file for files in STAGES.values() for file in files if not (VERIFY / file).is_file()] == []


def test_every_test_says_a_stage_that_lists_its_file() -> None:
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", str(VERIFY)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("whole", "there"), [("", False), ("1", True)])
def test_what_takes_long_is_left_out_unless_everything_is_to_run(whole: str, there: bool) -> None:
    file = VERIFY / "nodes/test_come_and_go.py"
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "--stage=nodes", str(file)]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, "DROVER_WHOLE": whole},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("test_the_first_node_is_replaced_by_an_empty_machine" in done.stdout) is there
    assert done.stdout.count("test_a_removal_may_be_killed_anywhere[") == (4 if there else 1)


FIRST, LAST = (str(VERIFY / STAGES["changed"][number]) for number in (0, -1))
ALL = [str(VERIFY / file) for file in STAGES["changed"]]


@pytest.mark.parametrize(
    ("stage", "given", "chosen"),
    [
        (None, [str(VERIFY)], (None, [str(VERIFY)])),
        (None, [f"{LAST}::test_it"], (None, [f"{LAST}::test_it"])),
        ("changed", [str(VERIFY)], ("changed", ALL)),
        ("changed", [str(ROOT)], ("changed", ALL)),
        ("changed", [LAST, FIRST], ("changed", [FIRST, LAST])),
        ("changed", [f"{LAST}::one", f"{LAST}::other", FIRST], ("changed", [FIRST, f"{LAST}::one", f"{LAST}::other"])),
        ("changed", [str(Path(LAST).parent)], ("changed", [LAST])),
        (None, [str(FOLDERS / "changed")], ("changed", ALL)),
        (None, [f"{ROOT}/molecule/default/../../tests/verify/stages/changed/test_stage.py"], ("changed", ALL)),
        ("changed", [str(FOLDERS / "changed"), LAST], ("changed", [LAST])),
    ],
)
def test_choose(stage: str | None, given: list[str], chosen: tuple[str | None, list[str]]) -> None:
    assert choose(stage, given) == chosen


@pytest.mark.parametrize(
    ("stage", "given", "message"),
    [
        ("changed", [str(FOLDERS / "broken")], "One stage at a time, not broken and changed"),
        (None, [str(FOLDERS / "mended")], "There is no stage 'mended': fresh, built"),
        (None, [str(FOLDERS)], "There is no stage 'stages': fresh, built"),
        ("gone", [FIRST], f"No tests of the stage 'gone' are in {FIRST}"),
    ],
)
def test_a_choice_that_is_none(stage: str | None, given: list[str], message: str) -> None:
    with pytest.raises(StageError, match=message):
        choose(stage, given)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("changed", ""),
        (None, "says no stage"),
        ("mended", "says a stage 'mended' that is not there"),
        ("fresh", "does not list its file for the stage 'fresh'"),
    ],
)
def test_complaint(stage: str | None, message: str) -> None:
    found = complaint(Path(FIRST), stage)
    assert message in found and bool(message) == bool(found)
