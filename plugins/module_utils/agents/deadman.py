# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Setting right what an agent leaves undone when it is killed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import IO, Any

from ..core import installed

__all__ = ["Guardian", "stand_by"]


class Guardian:
    """A program that starts a container again when this process dies between :meth:`watch` and :meth:`rest`.

    One of its own rather than a child that looks like this process: whoever kills all of that name spares it.
    """

    def __init__(self, definition: Mapping[str, Any], program: str | None = None) -> None:
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [program or installed.program("guardian"), str(definition["name"])],
            stdin=subprocess.PIPE,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
            text=True,
        )
        self._say(json.dumps(definition))

    def watch(self) -> None:
        self._say("watch")

    def rest(self) -> None:
        with suppress(BrokenPipeError):  # it rests already
            self._say("rest")

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Guardian:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def stand_by(words: IO[str], rescue: Callable[[dict[str, Any]], None]) -> None:
    """Listen until there is nobody left who could say anything, and then rescue what was being watched."""
    definition: dict[str, Any] = json.loads(words.readline())
    watching = False
    for word in words:
        watching = word == "watch\n"
    if watching:
        rescue(definition)
