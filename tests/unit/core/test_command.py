# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running programs: what comes back, and what every way to fail says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError, Complaints, run


def test_a_program_gets_its_input_and_the_c_locale() -> None:
    program = "import os, sys; print(os.environ['LC_ALL'], os.environ['EXTRA'], sys.stdin.read())"
    result = run([sys.executable, "-c", program], stdin="in", env={"EXTRA": "more"})
    assert (result.rc, result.stdout, result.stderr) == (0, "C more in\n", "")
    assert result.argv == (sys.executable, "-c", program)


@pytest.mark.parametrize(("ok", "fine"), [((0,), False), ((0, 3), True), (None, True)])
def test_only_expected_exit_statuses_are_fine(ok: tuple[int, ...] | None, fine: bool) -> None:
    argv = ["sh", "-c", "echo one; echo two >&2; exit 3"]
    if fine:
        assert run(argv, ok=ok).rc == 3
        return
    with pytest.raises(CommandError, match="exited with 3: two") as caught:
        run(argv, ok=ok)
    assert caught.value.result is not None
    assert caught.value.result.stdout == "one\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["drover-has-no-such-program"], "drover-has-no-such-program is not installed here"),
        (["sh", "-c", "exit 1"], "it said nothing"),
        (["sleep", "60"], "did not end within 0.05 s"),
        (["sh", "-c", "printf 'a\\nb\\nc\\nd\\n' >&2; exit 1"], "exited with 1: b; c; d"),
    ],
)
def test_a_failure_says_what_went_wrong(argv: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(argv, timeout=0.05 if argv[0] == "sleep" else 10)


def test_output_that_is_no_text_does_no_harm() -> None:
    assert run(["printf", r"\377"]).stdout == "\ufffd"


def test_complaints_are_read_all_the_time_and_kept_in_part() -> None:
    argv = ["sh", "-c", "seq 100000 >&2; echo gone >&2"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as program:
        complaints = Complaints(program, lambda line: line == "gone")
        assert program.wait(timeout=20) == 0
    lines = complaints.lines()
    assert complaints.count == 100_000
    assert (lines[0], lines[-1], len(lines)) == ("1", "100000", 30)
