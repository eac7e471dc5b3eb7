# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A move that is given up for guests of a node that was lost meanwhile: they are down, and would stay so until it ends.

The guest that was to move goes on where it is. Whoever drains its node has it move again (verbs/maintain.py).
"""

from __future__ import annotations

from collections.abc import Callable

from ..cluster.losses import Losses
from . import leaving

__all__ = ["giving_way"]


def giving_way(source: str, losses: Losses | None = None) -> Callable[[], str]:
    """Asked again and again during a move from ``source``, says why it is to be given up; empty as long as it is not.

    One from a node that goes down is not: the guest would be shut down with it.
    """
    seen = losses or Losses()

    def reason() -> str:
        lost = seen.look()
        if not lost or leaving.goes_down(source):
            return ""
        return f"{lost} was lost, and what ran there cannot start elsewhere before all moves have ended"

    return reason
