# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Setting right what a process leaves undone when it is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType

__all__ = ["Guardian"]


class Guardian:
    """A process that runs ``rescue`` when this one dies between :meth:`watch` and :meth:`rest`.

    Make it before anything is opened that must close when this process dies: it holds on to all that is open.
    """

    def __init__(self, rescue: Callable[[], None]) -> None:
        reading, self._voice = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._voice)
                self._stand_by(reading, rescue)
            finally:
                os._exit(0)
        os.close(reading)

    @staticmethod
    def _stand_by(reading: int, rescue: Callable[[], None]) -> None:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        watching = False
        while word := os.read(reading, 1):
            watching = word == b"+"
        if watching:
            rescue()

    def watch(self) -> None:
        os.write(self._voice, b"+")

    def rest(self) -> None:
        os.write(self._voice, b"-")

    def __enter__(self) -> Guardian:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._voice)
        os.waitpid(self._pid, 0)
