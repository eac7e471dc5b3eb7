# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal knows of nodes' power."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.journal import book, power
from ansible_collections.cspp.drover.plugins.module_utils.reporting import moves
from ansible_collections.cspp.drover.plugins.module_utils.reporting.fencing import reminder

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def proof(node: str, started: str, result: str = "fenced") -> dict[str, Any]:
    return {"kind": "proof", "node": node, "result": result, "started": started}


RECENT, OLD = "2026-05-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([], ""),
        ([proof("n1", OLD)], "2026-02-01"),
        ([proof("n1", RECENT), proof("n1", OLD)], None),
        ([proof("n1", RECENT, "failed"), proof("n2", RECENT)], ""),
        ([{**proof("n1", RECENT), "kind": "confirmation"}, {"guest": "mc", "started": RECENT}], ""),
    ],
)
def test_whose_proof_is_missing(entries: list[dict[str, Any]], told: str | None) -> None:
    found = power.unproven(entries, ["n1"], 90, NOW)
    assert found == ({} if told is None else {"n1": told})


def test_the_reminder() -> None:
    [said] = reminder({"n1": "", "n2": "2026-02-01"}, 90)
    assert "n1 (never), n2 (last on 2026-02-01)" in said
    assert reminder({}, 90) == []


def test_an_entry_is_kept_and_shown_beside_moves(tmp_path: Path) -> None:
    journal = book.Book(tmp_path)
    book.record(power.entry("proof", "n1", "fenced", since=0, seconds=1.2), journal, [])
    book.record({"guest": "mc", "started": RECENT}, journal, [])
    assert [entry.get("guest") for entry in book.read("mc", book=journal, others=[])] == ["mc"]
    lines = moves.table(book.read(book=journal, others=[]))
    assert any("(node n1)" in line and "fenced" in line and "1.2" in line for line in lines)
