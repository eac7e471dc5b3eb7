# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a drill came to, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.table import columns
from .run import GuestOutcome, Outcome

__all__ = ["lines", "verdict"]

_HEADS = ("GUEST", "NODE", "NOW", "DETECTED", "FENCED", "STARTED", "ANSWERED", "AWAY", "TWICE", "ACKNOWLEDGED", "LOST")


def lines(outcome: Outcome) -> list[str]:
    """A table with a line for each guest, and under it what was otherwise than it should be."""
    told = columns(_HEADS, [_row(guest) for guest in outcome.guests])
    told += [
        "",
        "Seconds from the strike; ACKNOWLEDGED and LOST are records that the guest wrote for a client outside.",
    ]
    told += [f"~ {note}" for note in outcome.notes]
    told += [f"! {wrong}" for wrong in outcome.wrong]
    return [*told, verdict(outcome)]


def verdict(outcome: Outcome) -> str:
    """The whole in a sentence."""
    twice = sum(bool(guest.twice) for guest in outcome.guests)
    lost = sum(guest.lost or 0 for guest in outcome.guests)
    kept = sum(guest.acknowledged or 0 for guest in outcome.guests)
    words = [f"double runs {twice}", f"acknowledged writes lost {lost} of {kept}"]
    away = [guest.answered for guest in outcome.guests if guest.answered is not None]
    words += [f"the last guest answered after {max(away):.1f} s"] if away else []
    end = "all as it should be" if outcome.well else f"{len(outcome.wrong)} thing(s) were not as they should be"
    return f"{outcome.drill} ({outcome.variant}): {', '.join(words)}; {end}"


def _row(guest: GuestOutcome) -> Sequence[str]:
    times = (guest.detected, guest.fenced, guest.started, guest.answered, guest.away)
    return [
        guest.name,
        guest.node,
        guest.now or "-",
        *("-" if time is None else f"{time:.1f}" for time in times),
        "yes" if guest.twice else "no",
        *("-" if number is None else str(number) for number in (guest.acknowledged, guest.lost)),
    ]
