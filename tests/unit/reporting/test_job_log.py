# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.cluster.status import Work
from ansible_collections.cspp.drover.plugins.module_utils.reporting.job_log import JobLog, read
from ansible_collections.cspp.drover.plugins.modules.job_info import lives

NAME = "0123456789abcdef" * 2


def test_what_is_said_is_read_once_a_whole_line_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    assert read(NAME, 0, folder) == ([], 0)
    log = JobLog(NAME, folder=folder)
    assert read(NAME, 0, folder) == ([], 0)
    log.say("plan: mc: migrate live n1 -> n2", "two\nlines, Öre")
    lines, offset = read(NAME, 0, folder)
    assert lines == ["plan: mc: migrate live n1 -> n2", "two lines, Öre"]
    with (folder / NAME).open("a") as file:
        file.write("half a ")
    assert read(NAME, offset, folder) == ([], offset)
    log.say("line")
    assert read(NAME, offset, folder)[0] == ["half a line"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_nodes_begin_is_told_once_and_how_far_moves_are(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []

    def gather(nodes: Sequence[str]) -> list[dict[str, Any]]:
        asked.append(nodes)
        return [{"guest": "mc", "to": "n2", "phase": "setup"}]

    log = JobLog(NAME, folder=tmp_path, gather=gather)
    leaving, starting = Work("mc", "migrate_to", "n1"), Work("web", "start", "n3")
    for working in ([Work("web", "monitor", "n2")], [leaving, starting], [leaving, starting], []):
        log.saw(working)
    assert read(NAME, 0, tmp_path)[0] == [
        "mc: migrating on n1",
        "web: starting on n3",
        "mc: getting ready to move to n2",
    ]
    # Only those are asked that move something.
    assert asked == [["n1"], ["n1"]]


def test_nobody_watches_and_nothing_is_written(tmp_path: Path) -> None:
    log = JobLog(None, folder=tmp_path)
    log.say("hello")
    log.saw([Work("mc", "migrate_to", "n1")])
    assert list(tmp_path.iterdir()) == []


def test_old_logs_go_and_a_log_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    old, new = tmp_path / ("a" * 32), tmp_path / ("b" * 32)
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (0, 0))
    JobLog(NAME, folder=tmp_path)
    assert list(tmp_path.iterdir()) == [new]
    JobLog(NAME, folder=new / "no folder").say("hello")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "abc"])
def test_a_name_is_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name"):
        read(name, 0, tmp_path)


def test_a_job_lives_as_long_as_a_process_that_was_started_as_it(tmp_path: Path) -> None:
    for pid, line in (("1", "init"), ("20", "python3\0async_wrapper.py\0j12\0172800\0x")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_text(line)
    (tmp_path / "30").mkdir()
    assert lives("j12.19", tmp_path)
    assert not lives("j13.19", tmp_path)
