# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Samples for Prometheus and the page, taken beside by threads: who asks waits for nobody.

Each part has a thread of its own, while somebody asks for it, or always (:meth:`Sampler.keep`). What is held up
(libvirt's daemon hangs, the cluster does not answer) holds up only its own part, whose last sample is given on with its
age.
"""

from __future__ import annotations

import math
import syslog
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..core.errors import DroverError

__all__ = ["Sampler"]

#: Seconds between two samples, and for which they are taken after somebody has asked.
_EVERY, _LINGER = 15.0, 180.0
#: Seconds that the first who asks waits for a first sample, of which there may be none yet.
_FIRST = 1.0


class Sampler:
    """Takes ``parts``, each a function that may take its time. Its result is ``latest`` until there is another."""

    def __init__(
        self,
        parts: Mapping[str, Callable[[], Any]],
        *,
        every: float = _EVERY,
        linger: float = _LINGER,
        first: float = _FIRST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts, self._every, self._linger, self._first, self._clock = parts, every, linger, first, clock
        self._lock = threading.Lock()
        #: By part: when it was asked for last; for ever is at the end of time.
        self._asked: dict[str, float] = {}
        self._running: set[str] = set()
        self._there = {name: threading.Event() for name in parts}
        self._last: dict[str, tuple[float, Any]] = {}

    def keep(self, *names: str) -> None:
        """Take samples of these parts from now on, whether or not somebody asks."""
        self._begin(names, math.inf)

    def latest(self, *names: str, first: float | None = None) -> dict[str, Any]:
        """The last sample of each of these parts, or of all, by its name, None for one that has none yet; and ``age``,
        in seconds, of those that have. ``first`` are the seconds to wait for a first sample."""
        names = names or tuple(self._parts)
        self._begin(names, self._clock())
        until = time.monotonic() + (self._first if first is None else first)
        for name in names:
            self._there[name].wait(max(0.0, until - time.monotonic()))
        with self._lock:
            now, last = self._clock(), {name: self._last[name] for name in names if name in self._last}
        ages = {name: round(now - when, 3) for name, (when, _sample) in last.items()}
        return {"age": ages, **{name: last[name][1] if name in last else None for name in names}}

    def _begin(self, names: Iterable[str], asked: float) -> None:
        with self._lock:
            for name in names:
                self._asked[name] = max(asked, self._asked.get(name, asked))
            begin = [name for name in names if name not in self._running]
            self._running.update(begin)
        for name in begin:
            threading.Thread(target=self._keep_taking, args=(name,), daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether samples are being taken."""
        with self._lock:
            return bool(self._running)

    def _keep_taking(self, name: str) -> None:
        while True:
            try:
                sample = self._parts[name]()
                with self._lock:
                    self._last[name] = (self._clock(), sample)
            except (DroverError, OSError, ImportError, ValueError, KeyError) as error:
                syslog.syslog(syslog.LOG_WARNING, f"no sample of {name} could be taken: {error}")
            self._there[name].set()
            time.sleep(self._every)
            with self._lock:
                if self._clock() - self._asked[name] > self._linger:
                    # Whoever comes later gets what is new.
                    self._running.discard(name)
                    self._last.pop(name, None)
                    self._there[name].clear()
                    return
