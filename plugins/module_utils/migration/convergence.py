# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do about a live migration, from one look at it to the next.

Memory is copied in passes while the guest runs; each pass sends what was changed during the one before
(pre-copy: Clark et al., Live Migration of Virtual Machines, NSDI 2005). QEMU ends it with a pause as soon as what
is left could be sent within a limit, and always leaves for the pause as much as the limit allows. So the limit
starts as low as it goes. A guest whose passes get shorter is left alone; when they no longer do, the limit
becomes what the shortest of them needs, as far as the guest's policy allows. What then still does not end is
stalled: it goes on as post-copy where that is allowed, and is called off where it is not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..core.quantities import MIB, rough_size
from ..guest.migration_policy import FIRST_LIMIT, OVERHEAD, Policy

__all__ = ["Abort", "Controller", "Limit", "Order", "PostCopy", "Sample"]

#: A pass that has more to send than this part of what the best one had does not bring the end nearer, and one with more
#: than that part is no better at all.
_NEARER, _NO_BETTER = 0.8, 0.95
#: Passes in a row that brought nothing, after which the limit is raised, and how much more than was needed it becomes
#: every time that this was not enough.
_PATIENCE = 2
_RAMP = 1.5
#: Seconds with the highest limit, and without a better pass, that make a stall. A better pass may take its time.
STALL = 8.0
_MOST_THROTTLE = 99
#: Passes begun, by QEMU's count, when it has looked often enough to begin to slow a guest down.
_FIRST_THROTTLED = 3


class Sample(NamedTuple):
    """One look: seconds since the start, passes begun, bytes sent and bytes left in this pass, bytes a second that
    are sent and that the guest changes, per cent by which the guest is slowed down."""

    at: float
    passes: int
    sent: int
    remaining: int
    rate: int
    dirty_rate: int = 0
    throttle: int = 0


class Limit(NamedTuple):
    """Allow a pause for so many milliseconds' worth of memory."""

    milliseconds: int


class PostCopy(NamedTuple):
    """Let the guest go on at the target now, and fetch the rest of its memory afterwards."""


class Abort(NamedTuple):
    """Call it off."""

    reason: str


Order = Limit | PostCopy | Abort


class Controller:
    """Decides for one migration. ``path`` tells in words what it came to; ``limit`` is the one in force.

    A pass ends when all of it was sent. Then, and every 5 s of a pass from the second on if it may slow the guest down
    (since 9.2, cpu_throttle_dirty_sync_timer), QEMU finds out what was changed meanwhile and counts another pass. So
    what is counted are looks at what was changed; between two lies a whole pass or, when that is long, a part of it.
    """

    def __init__(self, policy: Policy, memory: int) -> None:
        self.policy = policy
        self.limit = min(FIRST_LIMIT, policy.max_downtime)
        self.path = ["pre-copy"]
        self.rounds = 0
        self._timeout = policy.patience(memory)
        self._last = Sample(0.0, 0, 0, 0, 0)
        #: The looks at which the pass that is under way, or part of it, was seen first, and the one before that.
        self._first_seen = self._before = self._last
        #: Bytes of the first pass, of the last that was better by enough, and of the best that came later.
        self._mark = math.inf
        self._best = math.inf
        self._in_vain = 0
        self._raise_at = _PATIENCE
        self._raised = 0
        self._better_at = 0.0
        self._getting_less = False
        self._throttle = 0
        self._ended = False

    def decide(self, sample: Sample) -> Order | None:
        """What to do now, if anything."""
        self.rounds = max(self.rounds, sample.passes)
        if self._ended:
            return None
        self._note(sample)
        if sample.at > self._timeout:
            return self._give_up(sample, f"after {sample.at:.0f} s")
        if sample.passes <= 1:
            return None
        if self._in_vain >= self._raise_at or sample.at - self._better_at > STALL / 2:
            self._raise_at = self._in_vain + _PATIENCE
            wanted = min(self.policy.budget, math.ceil(self._needed(sample) * _RAMP**self._raised))
            if wanted > self.limit:
                self._raised += 1
                return self._raise(wanted)
        in_vain = self._in_vain >= _PATIENCE or self._size(sample) > _NO_BETTER * self._mark
        if sample.at - self._better_at > STALL and in_vain and not self._throttling(sample):
            if self.limit < self.policy.budget:
                # The passes looked short enough, and yet QEMU did not end: it counts what is left in larger pieces than
                # a guest on a thin wire changes. Nothing is given up before all that is allowed was tried.
                self._better_at = sample.at
                return self._raise(self.policy.budget)
            return self._give_up(sample, f"stalled in pass {sample.passes}")
        return None

    def _raise(self, milliseconds: int) -> Limit:
        self.limit = milliseconds
        self.path.append(f"limit {milliseconds} ms")
        return Limit(milliseconds)

    def expected_pause(self, sample: Sample) -> int:
        """Milliseconds, if it ended as it looks now."""
        if math.isinf(self._best):
            return OVERHEAD + self.limit
        return OVERHEAD + min(self.policy.budget, self._needed(sample))

    def _throttling(self, sample: Sample) -> bool:
        """Whether QEMU may slow the guest down yet. It begins with the second look at what was changed in vain."""
        if not self.policy.auto_converge:
            return False
        return 0 < sample.throttle < _MOST_THROTTLE or (not sample.throttle and sample.passes < _FIRST_THROTTLED)

    def _note(self, sample: Sample) -> None:
        """Keep account of what passes take, and when that last became less."""
        if sample.throttle > self._throttle:
            self._throttle = sample.throttle
            self.path = [word for word in self.path if not word.startswith("slowed")] + [
                f"slowed by {sample.throttle}%"
            ]
        if sample.passes != self._last.passes:
            if self._last.passes == 1:
                # The first pass sends all there is: it says nothing about what the guest changes.
                self._mark, self._better_at = sample.sent, sample.at
            elif self._last.passes > 1:
                self._count(sample)
            self._first_seen, self._before = sample, self._last
        # A pass that takes long is known to be a better one before it is over.
        if self._getting_less or self._size(sample) < _NEARER * self._mark:
            self._better_at = sample.at
        self._last = sample

    def _count(self, sample: Sample) -> None:
        """What has begun before this look has come to an end, or been looked at in the middle.

        Several can have ended since the last look: what was sent in that time tells what one of them took.
        """
        looks, sent = sample.passes - self._last.passes, sample.sent - self._first_seen.sent
        # Twice what was sent since the last look, for the rates that QEMU tells are averages.
        in_the_middle = self._last.remaining > 2 * (sample.sent - self._last.sent) + MIB
        self._getting_less = in_the_middle and (
            self._first_seen.remaining - sample.remaining > (1 - _NO_BETTER) * max(sent, 1)
        )
        better = self._getting_less if in_the_middle else sent / looks < _NEARER * self._mark
        if better and not in_the_middle:
            self._mark = sent / looks
        if better:
            self._in_vain, self._raise_at, self._better_at = 0, _PATIENCE, sample.at
        else:
            self._in_vain += looks
        if not in_the_middle:
            self._best = min(self._best, sent / looks)

    def _size(self, sample: Sample) -> float:
        """The bytes of the pass under way, or some more: it may have begun right after the last look before it."""
        return sample.remaining + sample.sent - self._before.sent

    def _needed(self, sample: Sample) -> int:
        """The limit in ms with which the best pass so far would have been the last."""
        best = sample.remaining if math.isinf(self._best) else self._best
        return math.ceil(1000 * best / max(sample.rate, MIB))

    def _give_up(self, sample: Sample, when: str) -> Order:
        self._ended = True
        if self.policy.post_copy:
            self.path.append("post-copy")
            return PostCopy()
        self.path.append("aborted")
        remedies = ["post_copy: fallback"]
        if not self.policy.auto_converge:
            remedies.append("auto_converge: true")
        remedies += ["a longer max_downtime", "more bandwidth"]
        return Abort(
            f"{when} it still had {rough_size(sample.remaining)} to send at {rough_size(sample.rate)} a second "
            f"and was changing {rough_size(sample.dirty_rate)} a second, which would have been a pause of "
            f"{OVERHEAD + self._needed(sample)} ms where {self.policy.max_downtime} ms are allowed; "
            f"its migration policy could allow {', '.join(remedies)}"
        )
