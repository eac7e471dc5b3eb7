# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a live migration will take, before it starts.

The model. Pre-copy sends the memory in use in a first round, and in each further one what the guest changed during
the round before (Clark et al., Live Migration of Virtual Machines, NSDI 2005). With V bytes in use, B bytes a second
sent and D changed, n rounds leave V * (D/B)^n, a geometric series. The guest is paused when that can be sent within
the downtime limit L, so when it is at most B * L. Hence

    rounds   n = ceil(log(B * L / V) / log(D / B)), at least 1
    copying  V/B * (1 - (D/B)^n) / (1 - D/B) seconds
    pause    V/B * (D/B)^n, and what does not depend on memory

With D >= B it never ends. D is measured over a second, in which a page counts once however often it is written: when
a guest writes the same pages again and again, its writable working set (section 3 of the paper), they are what every
round leaves, and the pause is D * 1 s / B at worst.

A guest is slowed down (auto-converge) in steps until it changes half of what is sent, each step after two rounds
that brought nothing. Post-copy sends what was changed meanwhile a second time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..core.quantities import MIB, rough_size
from ..guest.migration_policy import FIRST_LIMIT, OVERHEAD, Policy
from ..migration.bandwidth import share

__all__ = ["Forecast", "achieved", "forecast"]

#: Seconds that a migration takes besides sending memory: two daemons, a new QEMU, and its devices.
_SETUP = 0.7
#: By how much QEMU slows a guest down at first, with each step, and at the most.
_FIRST_THROTTLE, _STEP, _MOST_THROTTLE = 0.2, 0.1, 0.99
#: Bytes a second where nobody set a limit and no move has been seen.
_ASSUMED_BANDWIDTH = 100 * MIB
#: Earlier moves tell how fast memory is sent if they sent at least this part of what is to be sent now, for so many
#: seconds; and the latest of them, so many.
_TELLING_PART, _TELLING_SECONDS, _TELLING_MOVES = 0.25, 0.1, 5

Path = Literal["pre-copy", "auto-converge", "post-copy", "abort"]


@dataclass(frozen=True)
class Forecast:
    """``in_use`` bytes of memory, and of ``disks`` to be copied; ``dirties`` and ``bandwidth`` in bytes a second.

    What comes of them: ``rounds``, ``bytes`` of memory to send, ``seconds``, ``pause_ms``, and ``worst_ms``, the pause
    of a guest that writes the same pages again and again; whether pre-copy alone ``converges``; the ``path`` taken, and
    ``why``.
    """

    in_use: int
    disks: int
    dirties: int
    bandwidth: int
    rounds: int
    bytes: int
    seconds: float
    pause_ms: int
    worst_ms: int
    converges: bool
    path: Path
    why: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        size = rough_size(self.in_use) + (f" and {rough_size(self.disks)} of disks" if self.disks else "")
        if self.path == "abort":
            return f"{size}, would not end: {self.why}"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        pause = f"pause {self.pause_ms} ms"
        if self.path == "pre-copy" and self.worst_ms > 2 * self.pause_ms:
            pause += f" (to {self.worst_ms} if it writes the same pages again and again)"
        return f"{size}, {rounds}, {self.seconds:.1f} s, {pause}: {self.path}, {self.why}"


def forecast(
    in_use: int,
    dirties: int,
    policy: Policy,
    *,
    memory: int,
    disks: int = 0,
    wire: int | None = None,
    before: int | None = None,
) -> Forecast:
    """The migration of a VM with ``memory`` bytes, of which it has used ``in_use`` and changes ``dirties`` a second.

    ``disks`` are bytes that have to be copied first. ``wire`` is what the wire to the target can do, ``before`` what
    earlier moves achieved, both in bytes a second.
    """
    limits = (share(wire, policy.bandwidth, 1), before)
    bandwidth = min((limit for limit in limits if limit), default=_ASSUMED_BANDWIDTH)
    patience = policy.patience(memory)
    rounds, sent, left = _rounds(in_use, dirties, bandwidth)
    converges = dirties < bandwidth and sent / bandwidth <= patience
    speeds = f"it changes {rough_size(dirties)}/s and {rough_size(bandwidth)}/s are sent"
    path: Path = "pre-copy"
    if converges:
        why = speeds if dirties else "it changes next to nothing"
    elif policy.auto_converge and dirties * (1 - _MOST_THROTTLE) < bandwidth / 2:
        throttle = max(_FIRST_THROTTLE, 1 - bandwidth / 2 / dirties)
        in_vain = 2 * (1 + math.ceil((throttle - _FIRST_THROTTLE) / _STEP))
        rounds, sent, left = _rounds(in_use, bandwidth // 2, bandwidth)
        rounds, sent = rounds + in_vain, sent + in_vain * min(in_use, dirties)
        path, why = "auto-converge", f"{speeds}: it is slowed down, by some {throttle:.0%}"
    elif policy.post_copy:
        rounds, sent, left = 2, 2.0 * in_use, 0.0
        path, why = "post-copy", f"{speeds}: it goes on at the target before all of its memory is there"
    else:
        rounds, sent, left = 0, float(bandwidth * patience), 0.0
        path, why = "abort", f"{speeds}; allow auto_converge or post_copy, or more bandwidth"
    return Forecast(
        in_use=in_use,
        disks=disks,
        dirties=dirties,
        bandwidth=bandwidth,
        rounds=rounds,
        bytes=round(sent),
        seconds=round(_SETUP + (disks + sent) / bandwidth, 1),
        pause_ms=_pause(left, bandwidth),
        worst_ms=_pause(max(left, min(in_use, dirties)), bandwidth),
        converges=converges,
        path=path,
        why=why,
    )


def achieved(entries: Iterable[Mapping[str, Any]], source: str, target: str, in_use: int) -> int | None:
    """Bytes a second that the fastest of the latest moves between two nodes sent, from the journal's entries, for a VM
    that has ``in_use`` bytes; None when none tells. What made the others slower need not be there the next time."""
    between = [
        (entry["bytes"], entry["seconds"] - _SETUP)
        for entry in entries
        # The journal tells of nodes' power as well.
        if (entry["kind"], entry["result"]) == ("vm", "moved")
        and {entry["from"], entry["to"]} == {source, target}
        and entry.get("bytes")
        and entry.get("seconds")
    ]
    told = [sent / took for sent, took in between if sent >= _TELLING_PART * in_use and took >= _TELLING_SECONDS]
    return round(max(told[-_TELLING_MOVES:])) if told else None


def _rounds(in_use: int, dirties: int, bandwidth: int) -> tuple[int, float, float]:
    """Rounds until what is left can be sent within the first limit, the bytes that they send, and what they leave."""
    enough, ratio = bandwidth * FIRST_LIMIT / 1000, dirties / bandwidth
    if ratio >= 1:
        return 1, float(in_use), float(dirties)
    if in_use * ratio <= enough:
        return 1, float(in_use), in_use * ratio
    rounds = math.ceil(math.log(enough / in_use) / math.log(ratio))
    return rounds, in_use * (1 - ratio**rounds) / (1 - ratio), in_use * ratio**rounds


def _pause(left: float, bandwidth: int) -> int:
    return OVERHEAD + math.ceil(1000 * left / bandwidth)
