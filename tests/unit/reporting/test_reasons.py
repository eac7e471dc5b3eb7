# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failures beside what the journal of moves knows of them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import FailedAction
from ansible_collections.cspp.drover.plugins.module_utils.reporting.reasons import explained
from ansible_collections.cspp.drover.tests.unit.cluster_samples import status

FAILED: dict[str, Any] = {"guest": "mc", "from": "n1", "to": "n2", "result": "failed", "reason": "n2 has no br7"}
MOVED: dict[str, Any] = {**FAILED, "result": "moved", "reason": None}


def failure(operation: str = "migrate_to", reason: str = "", node: str = "n1") -> FailedAction:
    return FailedAction("mc", operation, node, "Error occurred", reason, "")


@pytest.mark.parametrize(
    ("failed", "journal", "words"),
    [
        (failure(), [FAILED], "migrate_to of mc failed on n1: n2 has no br7"),
        (failure(), [MOVED, FAILED], "migrate_to of mc failed on n1: n2 has no br7"),
        (failure("migrate_from", node="n2"), [FAILED], "migrate_from of mc failed on n2: n2 has no br7"),
        (failure(), [], "left no word of why"),
        (failure(), [FAILED, MOVED], "left no word of why"),
        (failure(), [{**FAILED, "guest": "web"}], "left no word of why"),
        (failure(node="n3"), [FAILED], "left no word of why"),
        (failure("start"), [FAILED], "left no word of why"),
        (failure(reason="its own"), [FAILED], "failed on n1: its own"),
    ],
)
def test_a_reason_that_the_journal_has_is_told(failed: FailedAction, journal: list[Any], words: str) -> None:
    assert words in str(explained(status(failures=(failed,)), lambda: journal).failures[0])


def test_a_journal_that_cannot_be_read_is_no_matter() -> None:
    def broken() -> list[Any]:
        raise OSError("no disk")

    assert "left no word" in str(explained(status(failures=(failure(),)), broken).failures[0])


def test_the_journal_is_left_alone_when_nothing_is_unclear() -> None:
    explained(status(failures=(failure("start"),)), lambda: pytest.fail("it was read"))
