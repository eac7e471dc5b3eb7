# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A flood of connections from somebody who is no node, for tests: opened at a rate, held, and silent."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

__all__ = ["Flood"]

Place = tuple[str, int]


class Flood:
    """Connections to these places in turn, ``rate`` a second in all, each held open for ``hold`` seconds.

    They come from the address ``source``, by default from the one that the kernel chooses.
    """

    def __init__(self, places: Sequence[Place], *, rate: int, hold: float, source: str = "") -> None:
        self._places, self._rate, self._hold, self._source = places, rate, hold, source
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._began = 0.0
        self.opened = 0

    @property
    def per_second(self) -> float:
        """How many were begun a second so far."""
        return self.opened / max(time.monotonic() - self._began, 0.001)

    def _run(self) -> None:
        open_: deque[tuple[float, socket.socket]] = deque()
        while not self._over.wait(0.005):
            now = time.monotonic()
            while open_ and open_[0][0] < now:
                open_.popleft()[1].close()
            for _late in range(int((now - self._began) * self._rate) - self.opened):
                host, port = self._places[self.opened % len(self._places)]
                self.opened += 1
                one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
                one.setblocking(False)
                with suppress(OSError):  # it is under way, or refused already
                    if self._source:
                        one.bind((self._source, 0))
                    one.connect((host, port))
                open_.append((now + self._hold, one))
        for _end, one in open_:
            one.close()

    def __enter__(self) -> Flood:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
