# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors in words: what went wrong, and what to do about it."""

from __future__ import annotations

import pickle

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.core.command import CommandError
from ansible_collections.cspp.drover.plugins.module_utils.core.errors import (
    DroverError,
    InvalidValue,
    in_words,
    run_program,
)
from ansible_collections.cspp.drover.plugins.module_utils.core.wait import WaitTimeout


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DroverError("the disk is full"), "the disk is full"),
        (DroverError("the disk is full", remedy="Remove something."), "the disk is full. Remove something."),
        (DroverError("It is full.", remedy="Remove something."), "It is full. Remove something."),
        (CommandError("mount failed"), "mount failed"),
        (WaitTimeout("the end", 3, 1.5), "the end did not happen within 1.5 s; last seen: 3"),
        (DroverError(), ""),
    ],
)
def test_an_error_says_its_cause_and_remedy(error: DroverError, words: str) -> None:
    assert str(error) == words
    assert str(pickle.loads(pickle.dumps(error))) == words if type(error) is DroverError else True


def test_a_value_that_cannot_be_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="too small"):
        raise InvalidValue("too small")


@pytest.mark.parametrize(
    ("error", "what", "remedy", "words"),
    [
        (DroverError("no"), "", "", "no"),
        (DroverError("no"), "It failed", "Try again.", "It failed: no. Try again."),
        (DroverError("no", remedy="Ask."), "It failed", "Try again.", "It failed: no. Ask."),
        (OSError("no"), "It failed", "Try again.", "It failed: no. Try again."),
    ],
)
def test_whoever_tells_an_error_adds_to_it(error: Exception, what: str, remedy: str, words: str) -> None:
    assert in_words(error, what=what, remedy=remedy) == words


def test_a_program_ends_with_words(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: Exception) -> int:
        raise error

    assert run_program(lambda: None) == 0
    assert run_program(lambda: 3) == 3
    assert run_program(lambda: fail(CommandError("no")), what="It stopped") == 1
    assert run_program(lambda: fail(OSError("gone")), OSError) == 1
    assert capsys.readouterr().err == "It stopped: no\ngone\n"
    with pytest.raises(TypeError):
        run_program(lambda: fail(TypeError("a mistake")), OSError)
