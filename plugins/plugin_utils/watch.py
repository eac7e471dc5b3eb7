# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of the cluster on a screen, drawn anew as nodes answer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.cspp.drover.plugins.module_utils.reporting.status import gathered

__all__ = ["Watch", "fitted"]

#: Seconds between two drawings, and after which a node that has said nothing more is not believed any longer.
_EVERY, _STALE = 1.0, 30.0
#: To the upper left corner, and all below it is emptied: what was there scrolls nowhere.
_ANEW = "\033[H\033[J"


class Watch:
    """What nodes have said of the cluster of late, and when it was drawn. Where there is no ``terminal``, only what
    has changed is said again."""

    def __init__(
        self,
        *,
        terminal: bool,
        clock: Callable[[], float] = time.monotonic,
        rows: Callable[[], int] = lambda: shutil.get_terminal_size().lines,
    ) -> None:
        self._terminal, self._clock, self._rows = terminal, clock, rows
        self._answers: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._drawn, self._last = float("-inf"), [""]

    def silent(self, node: str) -> None:
        """A node does not answer any more."""
        self._answers.pop(node, None)

    def heard(self, node: str, answer: Mapping[str, Any]) -> str:
        """A node has told (cspp.drover.cluster_status_info). Returns what is to be printed; empty if nothing is yet."""
        now = self._clock()
        self._answers[node] = (now, answer)
        if now - self._drawn < _EVERY:
            return ""
        fresh = {name: said for name, (when, said) in self._answers.items() if now - when < _STALE}
        seen = gathered(fresh)
        lines = seen["lines"] or [f"{name}: {why}" for name, why in seen["causes"].items()]
        self._drawn = now
        if not self._terminal:
            lines, self._last = ([] if lines == self._last else lines), lines
            return "\n".join([time.strftime("%H:%M:%S"), *lines, ""]) if lines else ""
        foot = f"{time.strftime('%H:%M:%S')}, as {seen['document'].get('served_by', 'nobody')} sees it; Ctrl-C ends"
        guests = len(seen["document"].get("guests", ()))
        return _ANEW + "\n".join([*fitted(lines, guests, self._rows() - 2), foot])


def fitted(lines: Sequence[str], guests: int, rows: int) -> list[str]:
    """The lines of a status in so many rows: what there is no room for are guests, and how many is said."""
    too_many = len(lines) - rows
    if too_many <= 0 or guests <= 1:
        return list(lines)
    first = next(number for number, line in enumerate(lines) if line.startswith("GUEST ")) + 1
    hidden = min(guests, too_many + 1)
    kept = first + guests - hidden
    return [*lines[:kept], f"... and {hidden} guests more", *lines[first + guests :]]
