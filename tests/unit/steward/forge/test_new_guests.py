# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new guest as a merge request, at a strict forge of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.declaration.offers import offers
from tests.unit.steward.forge.conftest import At, Settle
from tests.unit.steward.strict_forge import FILE, PATH
from tests.unit.steward.test_new_guests import CONTAINER, GIVEN, HOSTS

NEW: dict[str, Any] = {"guest": "new", "changes": None, "declaration": CONTAINER}
LINES = "  new:\n    kind: container\n    memory: 256MiB\n    rootfs: {image: debian-13}\n    nics: []\n"


@pytest.fixture
def at(at: At, declared: Callable[..., Path]) -> At:
    declared(offers=offers(GIVEN, HOSTS))
    return at


def has(at: At, files: dict[str, str]) -> None:
    """Have the project these files."""
    at.forge.branches["main"] = replace(at.forge.branches["main"], files=files)


def test_it_is_a_branch_of_one_commit_that_adds_it(at: At) -> None:
    found = at.ask(**NEW)
    assert found["state"] == "opened"
    assert at.branch.startswith("drover/new-")
    assert at.forge.branches[at.branch].files == {PATH: FILE + LINES, "README": "x"}
    (merge,) = at.forge.merges
    assert merge.title == "Add new"
    assert at.forge.branches["main"].files[PATH] == FILE
    assert at.ask(**NEW) == {**found, "state": "found"}
    assert len(at.forge.merges) == 1
    assert [one["guest"] for one in at.journal()] == ["new"]
    assert (at.house.cluster.writes, at.house.spawned) == ([], [])


def test_a_wrong_one_is_told_and_nothing_is_asked_of_the_forge(at: At) -> None:
    trouble = at.refusal(**{**NEW, "declaration": {**CONTAINER, "memory": "lots"}})
    assert trouble.status == 422
    assert [fault["path"] for fault in trouble.beside["faults"]] == ["guests.new.memory"]
    assert at.forge.asked == []


@pytest.mark.parametrize(
    ("there", "code", "words"),
    [(LINES, "declared_already", "says so already"), ("  new: {kind: vm}\n", "refused", "declares another new")],
)
def test_a_file_that_has_one_of_its_name(at: At, there: str, code: str, words: str) -> None:
    has(at, {PATH: FILE + there})
    trouble = at.refusal(**NEW)
    assert trouble.code == code
    assert words in trouble.cause
    assert at.forge.merges == []


def test_of_several_files_it_goes_where_guests_are(settle: Settle, declared: Callable[..., Path], kind: str) -> None:
    at = settle(kind, path=["README.yml", PATH])
    declared(offers=offers(GIVEN, HOSTS))
    has(at, {PATH: FILE, "README.yml": "other: 1\n"})
    at.ask(**NEW)
    assert at.forge.branches[at.branch].files[PATH] == FILE + LINES
    # Where none has any, the first gets them.
    at = settle(kind, path=["README.yml", PATH])
    declared(offers=offers(GIVEN, HOSTS))
    has(at, {"README.yml": "other: 1\n", PATH: "more: 2\n"})
    at.ask(**NEW)
    assert at.forge.branches[at.branch].files["README.yml"] == f"other: 1\nguests:\n{LINES}"


@pytest.mark.parametrize("said", [{"changes": None}, {"changes": {"memory": "1GiB"}, "declaration": CONTAINER}])
def test_it_is_of_changes_or_of_a_declaration(at: At, said: dict[str, Any]) -> None:
    assert at.refusal(**said).code == "invalid"
