# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The choice of random drills: every kind before any comes again, in an order that a seed repeats."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ansible_collections.cspp.drover.plugins.module_utils.drill.catalogue import DRILLS, impossible

__all__ = ["Choice", "kinds", "schedule"]


class Choice(NamedTuple):
    """One drill to be done."""

    drill: str
    variant: str
    node: str = ""
    guest: str = ""

    def __str__(self) -> str:
        where = self.guest or self.node
        return f"{self.drill} ({self.variant})" + (f" of {where}" if where else "")


def kinds(means: frozenset[str], nodes: int, links: int, only: str = "") -> tuple[list[Choice], list[str]]:
    """The drills that can be done on such a ground, and why others can't."""
    found, without = [], []
    for drill in DRILLS.values():
        for variant in drill.variants:
            choice = Choice(drill.name, variant.name)
            reasons = impossible(variant, means, nodes, links)
            if reasons:
                without.append(f"{choice}: {'; '.join(reasons)}")
            elif only in str(choice):
                found.append(choice)
    return found, without


def schedule(chosen: Collection[Choice], where: Mapping[str, str], seed: int) -> Iterator[Choice]:
    """All of them in a random order, again and again. ``where`` are the nodes of the guests."""
    chance = random.Random(seed)
    while chosen:
        for one in chance.sample(sorted(chosen), len(chosen)):
            guest = chance.choice(sorted(where))
            target = DRILLS[one.drill].target
            if target == "guest":
                yield one._replace(guest=guest)
            elif target == "node":
                yield one._replace(node=where[guest])
            else:
                yield one
