# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.migration import progress
from ansible_collections.cspp.drover.plugins.module_utils.peer import channel
from ansible_collections.cspp.drover.plugins.module_utils.peer.channel import PeerError


def test_a_move_is_seen_until_it_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "moves"
    assert progress.read_all(folder=folder) == []
    progress.progress("mc", folder=folder, phase="setup", to="n2")
    progress.progress("mc", folder=folder, phase="copying", to="n2", percent=63)
    progress.progress("web", folder=folder, phase="post-copy")
    assert [(move["guest"], move["phase"]) for move in progress.read_all(folder=folder)] == [
        ("mc", "copying"),
        ("web", "post-copy"),
    ]
    assert (folder.stat().st_mode & 0o777, len(list(folder.iterdir()))) == (0o700, 2)
    progress.done("mc", folder=folder)
    progress.done("mc", folder=folder)
    assert [move["guest"] for move in progress.read_all(folder=folder)] == ["web"]


@pytest.mark.parametrize("change", [{"pid": 2**22 + 1}, {"born": 1}, {"pid": "x"}])
def test_what_a_dead_writer_left_is_no_move(tmp_path: Path, change: dict[str, Any]) -> None:
    progress.progress("mc", folder=tmp_path, phase="copying")
    path = tmp_path / "mc.json"
    left = json.loads(path.read_text())
    left["writer"].update(change)
    path.write_text(json.dumps(left))
    assert progress.read_all(folder=tmp_path) == []
    assert progress.abandoned("mc", folder=tmp_path).get("phase") == "copying"
    progress.done("mc", folder=tmp_path)
    assert not path.exists()
    assert progress.abandoned("mc", folder=tmp_path) == {}


def test_a_writer_that_died_is_told_from_one_that_lives(tmp_path: Path) -> None:
    root = Path(progress.__file__).parents[6]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from pathlib import Path\n"
        "from ansible_collections.cspp.drover.plugins.module_utils.migration import progress\n"
        f"progress.progress('mc', folder=Path({str(tmp_path)!r}))\n"
        "print(flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline()
    assert [move["guest"] for move in progress.read_all(folder=tmp_path)] == ["mc"]
    assert progress.abandoned("mc", folder=tmp_path) == {}
    writer.communicate()
    assert progress.read_all(folder=tmp_path) == []


def test_nonsense_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text('{"guest": "m')
    (tmp_path / "other.json").write_text("[]")
    assert progress.read_all(folder=tmp_path) == []
    assert progress.abandoned("torn", folder=tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_a_word_that_cannot_be_said_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    progress.progress("mc", folder=tmp_path / "file", phase="setup")
    progress.done("mc", folder=tmp_path / "file")


def test_of_what_nodes_say_of_a_guest_the_last_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(guest: str, phase: str, at: float) -> dict[str, Any]:
        return {"guest": guest, "phase": phase, "writer": {"at": at}}

    answers = {
        "n1": [said("mc", "copying", 1.0), said("web", "setup", 2.0)],
        "n2": [said("mc", "post-copy", 3.0)],
    }

    def ask(node: str, _request: Any, _timeout: float) -> dict[str, Any]:
        if node not in answers:
            raise PeerError(f"{node} cannot be asked")
        return {"moves": answers[node]}

    monkeypatch.setattr(channel, "ask", ask)
    assert [(m["guest"], m["phase"]) for m in progress.gather(["n1", "n2", "n3"])] == [
        ("mc", "post-copy"),
        ("web", "setup"),
    ]


def test_a_report_is_taken_once(tmp_path: Path) -> None:
    assert progress.take("web", folder=tmp_path) == {}
    progress.arrived("web", {"rounds": 3}, folder=tmp_path)
    assert progress.read_all(folder=tmp_path) == []
    assert not progress.unheard("web", folder=tmp_path)
    assert progress.unheard("web", folder=tmp_path, age=-1.0)
    assert progress.take("web", folder=tmp_path) == {"rounds": 3}
    assert not progress.unheard("web", folder=tmp_path, age=-1.0)
    assert progress.take("web", folder=tmp_path) == {}
