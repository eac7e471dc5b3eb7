# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stories of migrations: reads the files of stories/ (see the README there) and plays them to the controller."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.cspp.drover.plugins.module_utils.core.errors import DroverError
from ansible_collections.cspp.drover.plugins.module_utils.core.quantities import MIB
from ansible_collections.cspp.drover.plugins.module_utils.guest.migration_policy import OVERHEAD, Policy
from ansible_collections.cspp.drover.plugins.module_utils.migration.convergence import (
    Abort,
    Controller,
    Limit,
    Order,
    PostCopy,
    Sample,
)

TICK = 0.1
#: Seconds after which QEMU looks again at what was changed in a pass that still lasts.
SYNC = 5.0
_UNITS = {"MiB": MIB, "GiB": 1024 * MIB, "MiB/s": MIB, "GiB/s": 1024 * MIB, "s": 1, "ms": 1, "": 1}


class StoryError(DroverError):
    """A story is not written as the README says."""


class Given(NamedTuple):
    """An order, or the end of a migration (None), and when it came, in seconds since the start."""

    at: float
    order: Order | None


@dataclass
class Guest:
    """A guest under pre-copy: ``working_set`` bytes that it writes again and again, ``dirty_rate`` bytes a second.

    It stands for QEMU as well, which ends the migration once the rest fits the limit, and looks at what was changed
    every 5 s of a later pass if it may slow the guest down, which it does to one that is ``throttled``.
    """

    memory: int = 512 * MIB
    working_set: int = 64 * MIB
    dirty_rate: int = 0
    rate: int = 500 * MIB
    throttled: bool = False

    def migrate(self, controller: Controller, seconds: float = 3600) -> Iterator[Given]:
        """Play it: what the controller orders, and the end that QEMU makes of it, if it does."""
        policy = controller.policy
        limit, now, passes, left, throttle = controller.limit, 0.0, 1, float(self.memory), 0
        pass_began, sent, in_vain = 0.0, 0.0, 0
        while now < seconds:
            now += TICK
            left -= self.rate * TICK
            sent += self.rate * TICK
            if policy.auto_converge and passes > 1 and left > 0 and now - pass_began >= SYNC:
                dirty = self.dirty_rate * (100 - throttle) / 100 * SYNC
                left, pass_began, passes = min(self.working_set, left + dirty), now, passes + 1
                in_vain += dirty > self.rate * SYNC / 2
            while left <= 0:
                spare = -left
                ended = now - spare / self.rate
                slowed = self.dirty_rate * (100 - throttle) / 100
                left = min(self.working_set, slowed * max(ended - pass_began, 0.001))
                pass_began, passes = ended, passes + 1
                if left <= self.rate * limit / 1000:
                    yield Given(now, None)
                    return
                in_vain += slowed > self.rate / 2
                left -= spare
            if policy.auto_converge and self.throttled and in_vain >= 2:
                in_vain, throttle = 0, min(99, throttle + (10 if throttle else 20))
            seen = Sample(now, passes, int(sent), int(max(left, 1)), self.rate, self.dirty_rate, throttle)
            if (order := controller.decide(seen)) is not None:
                yield Given(now, order)
                if not isinstance(order, Limit):
                    return
                limit = order.milliseconds
        raise AssertionError("it never ended")


@dataclass
class Story:
    """One file: guests and policies, each of the one with each of the other; or looks; and what is expected."""

    guests: list[Guest] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    looks: list[tuple[Sample, str]] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Play it. Raises AssertionError where it ends in another way."""
        for policy in self.policies or [Policy()]:
            if self.looks:
                self._check_looks(Controller(policy, Guest.memory))
            for guest in self.guests:
                controller = Controller(policy, guest.memory)
                given = list(guest.migrate(controller))
                expect(self.orders, given, policy)
                expect_path(self.path, controller.path)

    def _check_looks(self, controller: Controller) -> None:
        for sample, expected in self.looks:
            order = controller.decide(sample)
            expect(
                [expected] if expected else [], [] if order is None else [Given(sample.at, order)], controller.policy
            )
        expect_path(self.path, controller.path)


def read(text: str) -> Story:
    """A story from its file. Raises StoryError."""
    story = Story()
    sections: list[tuple[str, list[str]]] = []
    for raw in text.splitlines():
        line = raw.partition("#")[0].rstrip()
        if not line:
            continue
        if not line.startswith(" "):
            sections.append((line, []))
        elif not sections:
            raise StoryError(f"in no section: {line.strip()}")
        else:
            sections[-1][1].append(line.strip())
    for name, lines in sections:
        if name == "guest":
            story.guests.append(_fill(Guest, _GUEST, lines))
        elif name == "policy":
            story.policies.append(_fill(Policy, _POLICY, lines))
        elif name == "looks":
            story.looks = [_look(line) for line in lines]
        elif name in ("orders", "path"):
            setattr(story, name, lines)
        else:
            raise StoryError(f"there is no section {name}")
    if bool(story.guests) == bool(story.looks):
        raise StoryError("it needs either a guest or looks")
    if bool(story.guests) != bool(story.orders):
        raise StoryError("a guest needs orders; of looks each has its own")
    return story


def expect(lines: Sequence[str], given: Sequence[Given], policy: Policy) -> None:
    """Hold what was given against what a story expects, line by line."""
    rest = list(given)
    for line in lines:
        for pattern, take in _EXPECTED.items():
            if found := re.fullmatch(pattern, line):
                take(rest, found.groups(), policy, f"expected: {line}; given: {given}")
                break
        else:
            raise StoryError(f"no order reads so: {line}")
    assert not rest, f"expected: {lines}; given besides: {rest}"


def expect_path(lines: Sequence[str], path: Sequence[str]) -> None:
    """``lines`` are the beginnings of the path's words; none says nothing of it."""
    if lines:
        same = [word.startswith(line) for line, word in itertools.zip_longest(lines, path, fillvalue="\0")]
        assert all(same), f"expected: {lines}; the path: {path}"


def _amount(text: str) -> int:
    number, _, unit = text.partition(" ")
    try:
        return int(float(number) * _UNITS[unit])
    except (ValueError, KeyError):
        raise StoryError(f"no amount: {text}") from None


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise StoryError(f"neither yes nor no: {text}")
    return text == "yes"


_GUEST: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "memory": ("memory", _amount),
    "working set": ("working_set", _amount),
    "writes": ("dirty_rate", _amount),
    "wire": ("rate", _amount),
    "can be slowed": ("throttled", _yes),
}
_POLICY: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "max_downtime": ("max_downtime", _amount),
    "timeout": ("timeout", _amount),
    "auto_converge": ("auto_converge", _yes),
    "post_copy": ("post_copy", _yes),
}


def _fill(kind: Callable[..., Any], known: Mapping[str, tuple[str, Callable[[str], Any]]], lines: list[str]) -> Any:
    values = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if not colon or key not in known:
            raise StoryError(f"not one of {', '.join(known)}: {line}")
        name, convert = known[key]
        values[name] = convert(value.strip())
    return kind(**values)


def _look(line: str) -> tuple[Sample, str]:
    """``at 3 pass 2 sent 200 left 200 wire 500 writes 900 slowed 20 -> limit 280 ms``, sizes in MiB."""
    text, _, order = line.partition("->")
    words = text.split()
    said = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or not {"at", "pass", "sent", "left", "wire"} <= set(said) <= set(_LOOK):
        raise StoryError(_NO_LOOK + line)
    try:
        sample = Sample(**{_LOOK[word][0]: _LOOK[word][1](value) for word, value in said.items()})
    except ValueError:
        raise StoryError(_NO_LOOK + line) from None
    return sample, order.strip()


def _mib(text: str) -> int:
    return int(float(text) * MIB)


_LOOK: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "at": ("at", float),
    "pass": ("passes", int),
    "sent": ("sent", _mib),
    "left": ("remaining", _mib),
    "wire": ("rate", _mib),
    "writes": ("dirty_rate", _mib),
    "slowed": ("throttle", int),
}
_NO_LOOK = f"a look has {' '.join(_LOOK)}, each with a number, the last two at will: "


def _limits(rest: list[Given]) -> list[int]:
    """Take the limits off that come next."""
    found = []
    while rest and isinstance(rest[0].order, Limit):
        found.append(rest[0].order.milliseconds)
        del rest[0]
    return found


def _one_limit(rest: list[Given], words: Sequence[str | None], _policy: Policy, told: str) -> None:
    low, high = int(words[0] or 0), int(words[1] or words[0] or 0)
    order = rest.pop(0).order if rest else None
    assert isinstance(order, Limit) and low <= order.milliseconds <= high, told


def _some_limits(rest: list[Given], _words: Sequence[str | None], policy: Policy, told: str) -> None:
    limits = _limits(rest)
    assert limits and max(limits) + OVERHEAD <= policy.max_downtime, told


def _any_limits(rest: list[Given], _words: Sequence[str | None], _policy: Policy, _told: str) -> None:
    _limits(rest)


def _last(kind: type[Order] | None) -> Callable[[list[Given], Sequence[str | None], Policy, str], None]:
    def take(rest: list[Given], words: Sequence[str | None], _policy: Policy, told: str) -> None:
        assert rest, told
        at, order = rest.pop(0)
        assert order is None if kind is None else isinstance(order, kind), told
        after, before, says = (*words, None)[:3]
        assert float(after or 0) <= at, told
        assert before is None or at < float(before), told
        assert says is None or (isinstance(order, Abort) and says in order.reason), told

    return take


_WHEN = r"(?: after ([\d.]+) s)?(?: before ([\d.]+) s)?"
#: How an expected order reads, and what takes it off those that were given.
_EXPECTED: Mapping[str, Callable[[list[Given], Sequence[str | None], Policy, str], None]] = {
    r"limit (\d+)(?: to (\d+))? ms": _one_limit,
    r"limits within max_downtime": _some_limits,
    r"limits": _any_limits,
    rf"post-copy{_WHEN}": _last(PostCopy),
    rf'call off{_WHEN}(?:, saying "(.*)")?': _last(Abort),
    rf"end{_WHEN}": _last(None),
}
