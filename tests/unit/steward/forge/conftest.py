# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A steward, and a strict forge of each kind that it was told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cspp.drover.plugins.module_utils.steward.merge_requests import MergeRequests

from ..conftest import House
from ..strict_forge import FILE, KINDS, StrictForge, declared
from ..test_edits import CHANGES, told

WISH: dict[str, Any] = {"guest": "web", "changes": CHANGES}
WANTED = FILE.replace("512MiB", "1GiB")
#: The requests that commit, that begin a branch, and that open a merge request.
COMMITS = {"gitlab": "POST repository/commits", "forgejo": "PUT contents", "github": "PUT contents"}
OPENS = {"gitlab": "POST merge_requests", "forgejo": "POST pulls", "github": "POST pulls"}


@dataclass
class At:
    """A steward, and the forge that it was told of."""

    house: House
    forge: StrictForge

    def ask(self, role: str = "operator", **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.house.ask("merge_request", self.house.session(role), **{**WISH, **more})
        return dict(found["merge_request"])

    def refusal(self, **more: Any) -> Any:
        return self.house.refusal("merge_request", self.house.session("operator"), **{**WISH, **more})

    @property
    def branch(self) -> str:
        """The only one that is not there for people."""
        (found,) = self.forge.branches.keys() - {"main"}
        return found

    def journal(self) -> list[Any]:
        return [one for one in self.house.ledger.book.entries() if one["kind"] == "merge-request"]


Settle = Callable[..., At]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settle(house: House, declared: Callable[..., Path]) -> Settle:
    """Has the steward told of a forge of a kind."""

    def settled(kind: str, **more: Any) -> At:
        told(house)
        forge = KINDS[kind]()
        _declare(declared, forge, **more)
        requests = MergeRequests(house.steward.identity.declared, house.ledger, fetch=forge.fetch, clock=house.clock)
        house.steward.merge_requests = requests
        return At(house, forge)

    return settled


def _declare(write: Callable[..., Path], forge: StrictForge, **more: Any) -> None:
    write(forge=declared(forge, **more))


@pytest.fixture
def at(kind: str, settle: Settle) -> At:
    return settle(kind)
