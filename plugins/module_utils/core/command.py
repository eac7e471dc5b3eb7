# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way Drover runs a program: arguments as a list, the C locale, a deadline of its own."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import DroverError

__all__ = ["CommandError", "CommandResult", "Complaints", "Runner", "expected", "run"]

#: Lines of a running program's complaints that are kept: the first and the last. Bytes of a line.
_FIRST, _LAST, _LONGEST = 10, 20, 4096


@dataclass(frozen=True)
class CommandResult:
    """What a finished program left behind: its arguments, exit status and both outputs as text."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class CommandError(DroverError):
    """A program that is missing, ran out of time, or exited with a status its caller did not expect.

    ``result`` is None when the program never ran to its end.
    """

    def __init__(self, message: str, result: CommandResult | None = None) -> None:
        super().__init__(message)
        self.result = result


#: The seam that unit tests replace: same signature as :func:`run`.
Runner = Callable[..., CommandResult]


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60.0,
    ok: Sequence[int] | None = (0,),
    env: Mapping[str, str] | None = None,
) -> CommandResult:
    """Run ``argv`` to its end and return what it left behind.

    ``timeout`` is in seconds. ``ok`` lists the acceptable exit statuses; None accepts all.
    Raises CommandError with the program's last words otherwise.
    """
    name = argv[0]
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
        )
    except FileNotFoundError as error:
        raise CommandError(f"{name} is not installed here ({error})") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(argv)} did not end within {timeout:g} s") from error
    return expected(CommandResult(tuple(argv), done.returncode, done.stdout, done.stderr), ok)


def expected(result: CommandResult, ok: Sequence[int] | None) -> CommandResult:
    """The result, whose exit status is one of ``ok``; of None any is. Raises CommandError with the program's last words
    otherwise."""
    if ok is not None and result.rc not in ok:
        words = (result.stderr.strip() or result.stdout.strip()).splitlines()
        tail = "; ".join(words[-3:]) if words else "it said nothing"
        raise CommandError(f"{' '.join(result.argv)} exited with {result.rc}: {tail}", result)
    return result


class Complaints(threading.Thread):
    """The error output of a program that runs beside: read all the time, or a talkative program would wait for ever.

    Of however much it says, the first lines and the last are kept. ``harmless`` tells lines that are not even counted.
    """

    def __init__(self, program: subprocess.Popen[Any], harmless: Callable[[str], bool] = lambda _line: False) -> None:
        super().__init__(daemon=True)
        self.count = 0
        assert program.stderr is not None
        # From now on this thread's alone: to close what another thread reads is to wait for that.
        self._stream, program.stderr = program.stderr, None
        self._harmless = harmless
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=_LAST)
        self.start()

    def run(self) -> None:
        with self._stream as stream:
            while line := stream.readline(_LONGEST):
                text = line.decode(errors="replace").strip()
                if text and not self._harmless(text):
                    self.count += 1
                    (self._first if len(self._first) < _FIRST else self._last).append(text)

    def lines(self) -> list[str]:
        """What is kept, once the program has ended."""
        # A process that the program has left behind may hold its output open.
        self.join(timeout=2)
        return [*self._first, *self._last]
