# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of Drover's exceptions: what went wrong, in words for people, and what to do about it.

An exception that is none of these, nor an OSError, is a mistake in Drover's own code, and keeps its traceback. Resource
agents, which run every few seconds, load this: it imports next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["CUT", "DroverError", "InvalidValue", "in_words", "run_program"]


#: The end of a text that was cut.
CUT = " ..."


class DroverError(Exception):
    """A failure that is no mistake in Drover's code. ``remedy`` is what to do next, a sentence with its full stop."""

    def __init__(self, cause: str = "", *, remedy: str = "") -> None:
        super().__init__(cause)
        self.remedy = remedy

    @property
    def cause(self) -> str:
        """What went wrong, without the remedy."""
        return super().__str__()

    def __str__(self) -> str:
        return _with(self.cause, self.remedy)


class InvalidValue(DroverError, ValueError):
    """A value that somebody gave and that cannot be. A ValueError too, for whoever only tries values."""


def in_words(error: Exception, *, what: str = "", remedy: str = "") -> str:
    """An error in words: ``what`` failed because of it, as a phrase, and ``remedy`` if it brings none of its own."""
    cause = str(error)
    if isinstance(error, DroverError):
        cause, remedy = error.cause, error.remedy or remedy
    return _with(f"{what}: {cause}" if what else cause, remedy)


def run_program(main: Callable[[], int | None], *besides: type[Exception], what: str = "", remedy: str = "") -> int:
    """The exit status of the program that ``main`` is. A DroverError, or one of ``besides``, is told on the error
    output, in :func:`in_words`, and makes it 1."""
    failures: tuple[type[Exception], ...] = (DroverError, *besides)
    try:
        return main() or 0
    except failures as error:
        sys.stderr.write(f"{in_words(error, what=what, remedy=remedy)}\n")
        return 1


def _with(cause: str, remedy: str) -> str:
    return f"{cause.removesuffix('.')}. {remedy}" if remedy else cause
