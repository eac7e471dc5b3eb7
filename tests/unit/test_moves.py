# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What agents tell of the moves under way."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.cspp.drover.plugins.module_utils import moves


def test_a_move_is_told_and_forgotten(tmp_path: Path) -> None:
    moves.progress("web", folder=tmp_path, percent=40, phase="copying")
    moves.progress("web", folder=tmp_path, percent=50, phase="copying")
    told = moves.read_all(folder=tmp_path)
    assert {name: (move["percent"], move["phase"]) for name, move in told.items()} == {"web": (50, "copying")}
    moves.done("web", folder=tmp_path)
    moves.done("web", folder=tmp_path)
    assert moves.read_all(folder=tmp_path) == {}


def test_what_the_dead_told_does_not_count(tmp_path: Path) -> None:
    moves.progress("web", folder=tmp_path, percent=40)
    path = tmp_path / "web.json"
    entry = json.loads(path.read_text())
    for dead in ({**entry, "begun": entry["begun"] - 1}, {**entry, "pid": 2**22 + 1}):
        path.write_text(json.dumps(dead))
        assert moves.read_all(folder=tmp_path) == {}
    path.write_text("{")
    assert moves.read_all(folder=tmp_path) == {}


def test_a_report_is_taken_once(tmp_path: Path) -> None:
    assert moves.take("web", folder=tmp_path) == {}
    moves.arrived("web", {"rounds": 3}, folder=tmp_path)
    assert moves.read_all(folder=tmp_path) == {}
    assert moves.take("web", folder=tmp_path) == {"rounds": 3}
    assert moves.take("web", folder=tmp_path) == {}
