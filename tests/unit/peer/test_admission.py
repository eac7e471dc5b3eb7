# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose turn it is among those that have not proved who they are."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.peer.admission import Admission


@pytest.mark.parametrize(
    ("events", "outcomes"),
    [
        pytest.param("a a", "serve serve", id="room for two of an address"),
        pytest.param("a a a a", "serve serve wait refuse", id="one waits, no more"),
        pytest.param("a a a b", "serve serve wait serve", id="others are not held up"),
        pytest.param("a a b c", "serve serve serve wait", id="three of all together"),
        pytest.param("a a a -a", "serve serve wait a3", id="whose turn it is then"),
        pytest.param("a a b a c -b", "serve serve serve wait wait c5", id="one that may, whoever came first"),
        pytest.param("a a b c c -a -a", "serve serve serve wait refuse c4 -", id="one at a time"),
        pytest.param("a -a a -a a", "serve - serve - serve", id="nothing is counted for ever"),
    ],
)
def test_turns(events: str, outcomes: str) -> None:
    admission: Admission[str] = Admission(each=2, together=3, waiting=1)
    seen = []
    for number, event in enumerate(events.split(), 1):
        if event.startswith("-"):
            seen.append(" ".join(name for _address, name in admission.proved(event[1:])) or "-")
        else:
            seen.append(admission.arrive(event, f"{event}{number}"))
    assert seen == outcomes.split()


def test_limits_hold_and_nobody_waits_for_ever() -> None:
    chance = random.Random(1)
    admission: Admission[int] = Admission(each=3, together=7, waiting=4)
    served: list[str] = []
    for turn in range(5000):
        if chance.random() < 0.5:
            address = chance.choice("abcdef")
            if admission.arrive(address, turn) == "serve":
                served.append(address)
        elif served:
            served += [address for address, _turn in admission.proved(served.pop(chance.randrange(len(served))))]
        assert len(served) <= 7
        assert max(Counter(served).values(), default=0) <= 3
        assert len(admission.waiting) <= 4 * 6
        assert not admission.waiting or len(served) == 7 or max(Counter(served).values()) == 3
    while served:
        served += [address for address, _turn in admission.proved(served.pop())]
    assert admission.waiting == []
